import type { Fleet } from '../fleet.ts';
import { formatDuration, parseDuration } from '../lib/duration.ts';
import { isRunning } from '../models/status.ts';
import type { UnloadRequest } from '../unload/operation.ts';
import type { ModelResult, Operation } from '../unload/report.ts';
import { type Call, type Command, type CommandFlag, textFlag, textFlags } from './command.ts';
import { EXIT, UsageError } from './exit-codes.ts';
import { OUTPUT_FLAG, outputOf, reportUnreachable, withFleet } from './one-off.ts';
import { showWaiting } from './waiting.ts';

const FLAGS: readonly CommandFlag[] = [
  {
    name: 'keep',
    value: 'GLOB',
    description: 'Models to leave alone, whatever else matches.',
    repeatable: true,
  },
  {
    name: 'timeout',
    value: 'DURATION',
    description: 'How long each model may take to be gone. Default: 60s.',
  },
  { name: 'no-wait', description: "Take the router's word and do not wait until the models are gone." },
  { name: 'dry-run', description: 'Tell what would be unloaded, and unload nothing.' },
  OUTPUT_FLAG,
];

/** `unload MODEL…`: these models. */
export const unloadCommand: Command = {
  name: 'unload',
  summary: 'Unloads models and waits until each is really gone.',
  words: 'MODEL…',
  flags: FLAGS,
  configured: true,
  async run(call) {
    if (call.words.length === 0)
      throw new UsageError('unload takes the MODEL to unload, or several; for all: unload-all');
    // Who names a model means it, also while it is loading.
    return runUnload(call, { models: call.words, includeLoading: true });
  },
};

/** `unload-all`: every model that is in memory. */
export const unloadAllCommand: Command = {
  name: 'unload-all',
  summary: 'Unloads every loaded model and waits until each is really gone.',
  flags: [
    { name: 'model', value: 'GLOB', description: 'Only models that match.', repeatable: true },
    { name: 'include-loading', description: 'Also end loads that are under way.' },
    ...FLAGS,
  ],
  configured: true,
  run: (call) =>
    runUnload(call, {
      models: textFlags(call, 'model'),
      includeLoading: call.flags['include-loading'] === true,
    }),
};

async function runUnload(
  call: Call,
  wanted: { models: readonly string[]; includeLoading: boolean },
): Promise<number> {
  const output = outputOf(textFlag(call, 'output'));
  const request: UnloadRequest = {
    trigger: 'cli',
    reason: '',
    routers: [],
    selection: { ...wanted, keep: textFlags(call, 'keep') },
    timeoutMs: timeoutOf(textFlag(call, 'timeout')) * 1000,
    wait: call.flags['no-wait'] !== true,
    dryRun: call.flags['dry-run'] === true,
  };
  return withFleet(call.config(), { readEngine: false }, async (fleet) => {
    const routers = fleet.store.routers();
    const several = routers.length > 1;
    const waiting = showWaiting(call.terminal);
    const operation = await fleet.unload(request, (router, result) => {
      waiting.clear();
      if (output === 'text') call.terminal.out(lineOf(result, several ? router : undefined));
    });
    waiting.stop();
    if (!request.dryRun && operation.summary.unloaded > 0) await fleet.refresh();
    if (output === 'json') call.terminal.out(`${JSON.stringify(operation, null, 2)}\n`);
    else call.terminal.out(conclude(operation, fleet));
    reportUnreachable(routers, call.terminal);
    return exitCode(operation);
  });
}

function timeoutOf(text: string | undefined): number {
  if (text === undefined) return 60;
  const seconds = parseDuration(text);
  if (seconds === undefined || seconds <= 0)
    throw new UsageError(`--timeout is a duration such as 30s, not '${text}'`);
  return seconds;
}

const WORDS: Record<ModelResult['result'], string> = {
  unloaded: 'unloaded',
  already_unloaded: 'not loaded',
  would_unload: 'would unload',
  kept: 'kept',
  busy: 'busy',
  forced: 'killed',
  timeout: 'not gone',
  failed: 'failed',
  asked: 'asked',
};

function lineOf({ model, result, seconds, detail }: ModelResult, router: string | undefined): string {
  const after = [seconds === undefined ? undefined : formatDuration(seconds), detail].filter((part) => part);
  const where = router === undefined ? '' : ` on ${router}`;
  return `${WORDS[result].padEnd(12)}  ${model}${where}${after.length > 0 ? `  (${after.join('; ')})` : ''}\n`;
}

function conclude(operation: Operation, { store }: Fleet): string {
  const reached = store.routers().filter(({ up }) => up);
  if (reached.length === 0) return '';
  const touched = operation.routers.some(({ models }) => models.length > 0);
  const still = reached.flatMap(({ models }) =>
    [...models.values()]
      .filter(({ life }) => isRunning(life.known))
      .map(({ id, life }) => `${id} (${life.status})`),
  );
  if (!touched && still.length === 0) return 'No loaded models found.\n';
  if (operation.dry_run) return 'Nothing was unloaded: this was a dry run.\n';
  return still.length === 0 ? 'Now no model is loaded.\n' : `Still in memory: ${still.join(', ')}.\n`;
}

function exitCode({ routers, summary }: Operation): number {
  if (summary.failed > 0 || summary.busy > 0) return EXIT.notDone;
  return routers.some(({ fault }) => fault) ? EXIT.unreachable : EXIT.done;
}
