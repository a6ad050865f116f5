import { WHEN_BUSY } from '../config/when-busy.ts';
import { requestOf, type UnloadBody } from '../http/routes/unload.ts';
import { systemClock } from '../lib/clock.ts';
import { createOperations } from '../unload/operations.ts';
import type { Operation } from '../unload/report.ts';
import { defaultTerms, keepListOf } from '../unload/request.ts';
import { type Call, choiceFlag, remoteExporterOf, textFlags } from './command.ts';
import { UsageError } from './exit-codes.ts';
import { type OneOff, reportUnreachable, withFleet } from './one-off.ts';
import { durationFlag, reasonFlag } from './operation-flags.ts';
import {
  exitCodeOf,
  faultsOf,
  formatConclusion,
  loadedMeanwhile,
  type ProgressOf,
  showOperation,
  type UnloadAim,
} from './operation-output.ts';
import { operateThrough } from './remote-exporter.ts';
import type { Terminal } from './terminal.ts';
import { printable } from './text.ts';

const EXPORTER_ONLY = ['hold', 'on', 'gpu', 'idle-for'];

export async function unload(call: Call): Promise<number> {
  if (call.words.length > 0) return runUnload(call, call.words);
  throw new UsageError(
    'unload needs at least one MODEL. To unload all of them: llama-router-exporter unload-all',
  );
}

export async function unloadAll(call: Call): Promise<number> {
  return runUnload(call, textFlags(call, 'model'));
}

const NOT_TO_WAIT =
  'To not wait: --when-busy force (their clients lose their response), or --when-busy skip (leaves them loaded).\n';

async function runUnload(call: Call, selected: readonly string[]): Promise<number> {
  const body = bodyOf(call, selected);
  const exporter = remoteExporterOf(call);
  const exporterOnly = EXPORTER_ONLY.find((flag) => call.flags[flag] !== undefined);
  if (!exporter && exporterOnly) {
    throw new UsageError(`--${exporterOnly} needs --exporter: only a running exporter supports it`);
  }
  const waits = call.flags.wait !== false;
  const { result: operation, missed } = await showOperation(
    call,
    { waitingFor: 'waiting for models to unload', hint: NOT_TO_WAIT },
    (progressOf) =>
      exporter
        ? operateThrough(exporter, '/api/v1/unload-all', body, waits, progressOf(true))
        : unloadDirectly(body, call, progressOf),
    formatConclusion,
  );
  const partial = !waits || body.idle_for_seconds !== undefined || body.gpus !== undefined;
  const aim = { named: selected.length > 0, partial };
  explain(operation, aim, body, call.terminal);
  return exitCodeOf(operation, aim, missed);
}

/** Prints why something was not done, and the way out. */
function explain(operation: Operation, aim: UnloadAim, body: UnloadBody, terminal: Terminal): void {
  const { routers, summary, unmatched_keep } = printable(operation);
  const say = (line: string) => terminal.err(`${line}\n`);
  for (const pattern of unmatched_keep) say(`keep pattern '${pattern}' matches no model`);
  for (const { router, refused } of routers) if (refused) say(`${router}: ${refused.detail}`);
  const loaded = printable(loadedMeanwhile(operation, aim));
  if (loaded.length > 0) {
    const remedy =
      body.hold_seconds === undefined
        ? 'To keep memory free: --hold 30m (with --exporter)'
        : 'A hold keeps clients out only with the gate in front of the server';
    say(
      `${loaded.join(', ')} ${loaded.length === 1 ? 'was' : 'were'} loaded by a client meanwhile. ${remedy}.`,
    );
  }
  if (summary.busy > 0)
    say('To unload busy and loading models too: --when-busy force. Their clients lose their response.');
  reportUnreachable(faultsOf(operation), terminal);
}

/** Unloads at the routers themselves. */
export function unloadDirectly(
  body: UnloadBody,
  call: Call,
  progressOf: ProgressOf,
): Promise<OneOff<Operation>> {
  return withFleet(call, { readEngine: false }, ({ controls, store }, config) => {
    const terms = { ...defaultTerms(config), verify: call.flags.wait !== false };
    const request = requestOf(body, terms, { trigger: 'cli', caller: { name: 'shell' } });
    const keep = (router: string) => keepListOf(config, router);
    const operations = createOperations({ controls, keep, clock: systemClock });
    return operations.start(request, { onProgress: progressOf(store.routers().length > 1) }).done;
  });
}

/** The flags that were given. For the rest, the configuration of the exporter or of this command applies. */
function bodyOf(call: Call, models: readonly string[]): UnloadBody {
  const gpus = textFlags(call, 'gpu');
  return {
    models: [...models],
    keep: textFlags(call, 'keep'),
    reason: reasonFlag(call),
    routers: textFlags(call, 'on'),
    dry_run: call.flags['dry-run'] === true,
    when_busy: choiceFlag(call, 'when-busy', WHEN_BUSY),
    busy_timeout_seconds: durationFlag(call, 'busy-timeout'),
    timeout_seconds: durationFlag(call, 'timeout'),
    gpus: gpus.length > 0 ? gpus : undefined,
    idle_for_seconds: durationFlag(call, 'idle-for'),
    hold_seconds: durationFlag(call, 'hold'),
  };
}
