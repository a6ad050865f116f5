import { type LoadBody, loadRequestOf } from '../http/routes/load.ts';
import { systemClock } from '../lib/clock.ts';
import { createLoads } from '../load/loads.ts';
import { objectionToPlaces } from '../load/places.ts';
import type { OnProgress } from '../unload/operation.ts';
import { createOperations } from '../unload/operations.ts';
import type { Operation } from '../unload/report.ts';
import { type Call, remoteExporterOf, textFlag, textFlags } from './command.ts';
import { UsageError } from './exit-codes.ts';
import { type OneOff, reportUnreachable, withFleet } from './one-off.ts';
import { durationFlag, reasonFlag } from './operation-flags.ts';
import { exitCodeOf, faultsOf, showOperation } from './operation-output.ts';
import { operateThrough } from './remote-exporter.ts';
import type { Terminal } from './terminal.ts';
import { printable } from './text.ts';

export async function load(call: Call): Promise<number> {
  if (call.words.length === 0) {
    throw new UsageError('load needs at least one MODEL: llama-router-exporter list shows them');
  }
  const waits = call.flags.wait !== false;
  const exporter = remoteExporterOf(call);
  if (!exporter && (!waits || call.flags.hold !== undefined)) {
    const flag = waits ? '--hold' : '--no-wait';
    throw new UsageError(`${flag} needs --exporter: only a running exporter supports it`);
  }
  const body = bodyOf(call);
  const { result: operation, missed } = await showOperation(
    call,
    { waitingFor: 'waiting for models to load' },
    (progressOf) =>
      exporter
        ? operateThrough(exporter, '/api/v1/load', body, waits, progressOf(true))
        : loadDirectly(body, call, progressOf(false)),
    formatConclusion,
  );
  explain(operation, call.terminal);
  return exitCodeOf(operation, { named: true, partial: true }, missed);
}

/** Loads at the routers themselves. */
function loadDirectly(body: LoadBody, call: Call, onProgress: OnProgress): Promise<OneOff<Operation>> {
  return withFleet(call, { readEngine: false }, ({ controls, store }, config) => {
    const request = loadRequestOf(body, config.load.timeout, { trigger: 'cli', caller: { name: 'shell' } });
    const objection = objectionToPlaces(store.routers(), request);
    if (objection) throw new UsageError(`${objection.detail} Nothing was loaded.`);
    const operations = createOperations({ controls, keep: () => [], clock: systemClock });
    return createLoads({ controls, operations, clock: systemClock }).start(request, { onProgress }).done;
  });
}

/** The last lines about a load. */
function formatConclusion(operation: Operation): string {
  const { outcome, id, dry_run, routers, still_in_memory, summary } = printable(operation);
  if (outcome === null) return `In progress: operation ${id}.\n`;
  if (routers.every(({ fault, refused }) => fault || refused)) return '';
  if (dry_run) return 'Dry run: nothing was loaded.\n';
  const loaded = summary.loaded === 0 ? 'Nothing was loaded' : `${summary.loaded} loaded`;
  const names = still_in_memory.map(({ model, status }) => `${model} (${status})`);
  return `${loaded}. In memory: ${names.join(', ') || 'no model'}.\n`;
}

/** Prints why something was not done. */
function explain(operation: Operation, terminal: Terminal): void {
  const { routers } = printable(operation);
  for (const { router, refused } of routers) if (refused) terminal.err(`${router}: ${refused.detail}\n`);
  reportUnreachable(faultsOf(operation), terminal);
}

/** The flags that were given. For the rest, the configuration of the exporter or of this command applies. */
function bodyOf(call: Call): LoadBody {
  const routers = textFlags(call, 'on');
  return {
    models: [...call.words],
    routers: routers.length > 0 ? routers : undefined,
    timeout_seconds: durationFlag(call, 'timeout'),
    dry_run: call.flags['dry-run'] === true,
    reason: reasonFlag(call),
    hold: textFlag(call, 'hold'),
  };
}
