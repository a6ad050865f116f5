import type { Config } from '../config/schema.ts';
import { parseWhenBusy, WHEN_BUSY, type WhenBusy } from '../config/when-busy.ts';
import { systemClock } from '../lib/clock.ts';
import { parseDuration } from '../lib/duration.ts';
import type { RouterState } from '../models/router-state.ts';
import { isRunning } from '../models/status.ts';
import type { ModelResult, Operation } from '../unload/report.ts';
import { reasonText, type UnloadRequest } from '../unload/request.ts';
import { createUnloading, defaultTerms } from '../unload/unloading.ts';
import { type Call, type Command, type CommandFlag, textFlag, textFlags } from './command.ts';
import { EXIT, UsageError } from './exit-codes.ts';
import { OUTPUT_FLAG, outputOf, reportUnreachable, withDiscovered, withFleet } from './one-off.ts';
import { createRemoteExporter, UnreachableError } from './remote-exporter.ts';
import { conclude, lineOf } from './unload-words.ts';
import { showWaiting } from './waiting.ts';

const FLAGS: readonly CommandFlag[] = [
  {
    name: 'keep',
    value: 'GLOB',
    description: 'Models to leave alone, whatever else matches.',
    repeatable: true,
  },
  {
    name: 'when-busy',
    value: WHEN_BUSY.join('|'),
    description:
      'What happens to a model that is generating or loading: it is left alone, waited for, or unloaded ' +
      'all the same. Default: unload.when_busy, which is wait.',
  },
  {
    name: 'busy-timeout',
    value: 'DURATION',
    description: 'How long a busy model is waited for. Default: unload.busy_timeout, 5m.',
  },
  {
    name: 'timeout',
    value: 'DURATION',
    description: 'How long a model may take to be gone, once ordered. Default: unload.timeout, 60s.',
  },
  {
    name: 'idle-for',
    value: 'DURATION',
    description: 'With --exporter: only models that have served nothing for so long.',
  },
  {
    name: 'wait',
    negated: true,
    description:
      "Take the router's word and do not wait until the models are gone; with --exporter, leave it to that.",
  },
  { name: 'dry-run', description: 'Tell what would be unloaded, and unload nothing.' },
  {
    name: 'exporter',
    value: 'URL',
    description:
      'A running exporter that is to do it, with its guards and books. Its token is read from ' +
      'LLAMA_ROUTER_EXPORTER_TOKEN_FILE.',
  },
  {
    name: 'on',
    value: 'NAME',
    description: 'With --exporter: only on this router, by the name that the exporter gives it.',
    repeatable: true,
  },
  {
    name: 'hold',
    value: 'DURATION',
    description: 'With --exporter: keep the memory free for so long afterwards.',
  },
  { name: 'reason', value: 'TEXT', description: 'Why, for the report and the audit.' },
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
    return runUnload(call, call.words);
  },
};

/** `unload-all`: every model that is in memory. */
export const unloadAllCommand: Command = {
  name: 'unload-all',
  summary: 'Unloads every loaded model and waits until each is really gone.',
  flags: [
    { name: 'model', value: 'GLOB', description: 'Only models that match.', repeatable: true },
    ...FLAGS,
  ],
  configured: true,
  run: (call) => runUnload(call, textFlags(call, 'model')),
};

async function runUnload(call: Call, models: readonly string[]): Promise<number> {
  const output = outputOf(textFlag(call, 'output'));
  const config = call.config();
  const exporter = textFlag(call, 'exporter');
  const hold = durationFlag(call, 'hold');
  if (exporter === undefined && hold !== undefined) {
    throw new UsageError('--hold needs --exporter: somebody must keep the memory free afterwards');
  }
  if (exporter === undefined && textFlags(call, 'on').length > 0) {
    throw new UsageError('--on names a router of an --exporter; without one, give its URL as --router');
  }
  const request = requestOf(call, models, config);
  if (exporter === undefined && request.selection.idleForMs !== undefined) {
    throw new UsageError(
      '--idle-for needs --exporter: only who watches all the time knows who is idle since when',
    );
  }
  const waiting = showWaiting(call.terminal);
  const show = (several: boolean) => (router: string, result: ModelResult) => {
    waiting.clear();
    if (output === 'text') call.terminal.out(lineOf(result, several ? router : undefined));
  };
  const end = (operation: Operation, still: readonly string[]) => {
    waiting.stop();
    if (output === 'json') call.terminal.out(`${JSON.stringify(operation, null, 2)}\n`);
    else call.terminal.out(conclude(operation, still));
    return exitCode(operation);
  };
  try {
    if (exporter !== undefined) {
      return await throughExporter(exporter, call, bodyOf(request, call, hold), show(true), end);
    }
    const { found, missed } = await withDiscovered(config, call.terminal);
    return await withFleet(found, { readEngine: false }, async (fleet) => {
      const routers = fleet.store.routers();
      const { operations } = createUnloading(fleet, () => found, systemClock);
      const operation = await operations.start(request, show(routers.length > 1)).done;
      if (!request.dryRun && operation.summary.unloaded > 0) await fleet.refresh();
      const code = end(operation, inMemory(routers));
      reportUnreachable(routers, call.terminal);
      return code === EXIT.done && missed ? EXIT.unreachable : code;
    });
  } finally {
    waiting.stop();
  }
}

/** The same by an exporter that runs: its guards, its books, its holds. */
async function throughExporter(
  url: string,
  call: Call,
  body: object,
  show: (router: string, result: ModelResult) => void,
  end: (operation: Operation, still: readonly string[]) => number,
): Promise<number> {
  const token = call.config().auth.tokens.find(({ name }) => name === 'default')?.token;
  const remote = createRemoteExporter(url, token);
  try {
    const operation = await remote.unload(body, call.flags.wait !== false, show);
    const code = end(operation, await remote.still());
    for (const { router, fault, refused } of operation.routers) {
      const why = fault?.message ?? refused?.detail;
      if (why !== undefined) call.terminal.err(`${router}: ${why}\n`);
    }
    return code;
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error;
    call.terminal.err(`${error.message}\n`);
    return EXIT.unreachable;
  }
}

/** What was said on the command line, and no more: the exporter has its own configuration. */
function bodyOf({ selection, reason }: UnloadRequest, call: Call, hold: number | undefined): object {
  const whenBusy = whenBusyFlag(call);
  const busyTimeout = durationFlag(call, 'busy-timeout');
  const timeout = durationFlag(call, 'timeout');
  const { models, keep, idleForMs } = selection;
  return {
    ...{ models, keep, reason },
    routers: textFlags(call, 'on'),
    dry_run: call.flags['dry-run'] === true,
    ...(whenBusy && { when_busy: whenBusy }),
    ...(busyTimeout !== undefined && { busy_timeout_seconds: busyTimeout }),
    ...(timeout !== undefined && { timeout_seconds: timeout }),
    ...(idleForMs !== undefined && { idle_for_seconds: idleForMs / 1000 }),
    ...(hold !== undefined && { hold_seconds: hold }),
  };
}

function inMemory(routers: readonly Readonly<RouterState>[]): string[] {
  return routers.flatMap(({ up, models }) =>
    [...models.values()]
      .filter(({ lifecycle }) => up && isRunning(lifecycle.known))
      .map(({ id, lifecycle }) => `${id} (${lifecycle.status})`),
  );
}

function requestOf(call: Call, models: readonly string[], config: Config): UnloadRequest {
  const terms = defaultTerms(config);
  const busyTimeout = durationFlag(call, 'busy-timeout');
  const timeout = durationFlag(call, 'timeout');
  const idleFor = durationFlag(call, 'idle-for');
  return {
    ...terms,
    trigger: 'cli',
    caller: { name: 'shell' },
    reason: reasonFlag(call),
    routers: [],
    selection: {
      models,
      keep: textFlags(call, 'keep'),
      ...(idleFor !== undefined && { idleForMs: idleFor * 1000 }),
    },
    whenBusy: whenBusyFlag(call) ?? terms.whenBusy,
    ...(busyTimeout !== undefined && { busyTimeoutMs: busyTimeout * 1000 }),
    ...(timeout !== undefined && { timeoutMs: timeout * 1000 }),
    verify: call.flags.wait !== false,
    dryRun: call.flags['dry-run'] === true,
  };
}

function whenBusyFlag(call: Call): WhenBusy | undefined {
  const text = textFlag(call, 'when-busy');
  if (text === undefined) return undefined;
  const word = parseWhenBusy(text);
  if (word) return word;
  throw new UsageError(`--when-busy is ${WHEN_BUSY.join(', ')}, not '${text}'`);
}

function reasonFlag(call: Call): string {
  const reason = reasonText.safeParse(textFlag(call, 'reason') ?? '');
  if (reason.success) return reason.data;
  throw new UsageError(`--reason ${reason.error.issues[0]?.message}`);
}

function durationFlag(call: Call, name: string): number | undefined {
  const text = textFlag(call, name);
  if (text === undefined) return undefined;
  const seconds = parseDuration(text);
  if (seconds === undefined || seconds <= 0) {
    throw new UsageError(`--${name} is a duration such as 30s, not '${text}'`);
  }
  return seconds;
}

function exitCode({ routers, summary }: Operation): number {
  if (summary.failed > 0 || summary.busy > 0) return EXIT.notDone;
  if (routers.some(({ refused }) => refused)) return EXIT.notDone;
  return routers.some(({ fault }) => fault) ? EXIT.unreachable : EXIT.done;
}
