import type { Config } from '../config/schema.ts';
import { systemClock } from '../lib/clock.ts';
import { parseDuration } from '../lib/duration.ts';
import { isRunning } from '../models/status.ts';
import type { Operation } from '../unload/report.ts';
import { type UnloadRequest, WHEN_BUSY, type WhenBusy } from '../unload/request.ts';
import { createUnloading, defaultTerms } from '../unloading.ts';
import { type Call, type Command, type CommandFlag, textFlag, textFlags } from './command.ts';
import { EXIT, UsageError } from './exit-codes.ts';
import { OUTPUT_FLAG, outputOf, reportUnreachable, withFleet } from './one-off.ts';
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
    value: 'skip|wait|force',
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
  { name: 'idle-for', value: 'DURATION', description: 'Only models that have served nothing for so long.' },
  { name: 'no-wait', description: "Take the router's word and do not wait until the models are gone." },
  { name: 'dry-run', description: 'Tell what would be unloaded, and unload nothing.' },
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
  const request = requestOf(call, models, config);
  return withFleet(config, { readEngine: false }, async (fleet) => {
    const routers = fleet.store.routers();
    const several = routers.length > 1;
    const waiting = showWaiting(call.terminal);
    const { operations } = createUnloading(fleet, () => config, systemClock);
    const operation = await operations.start(request, (router, result) => {
      waiting.clear();
      if (output === 'text') call.terminal.out(lineOf(result, several ? router : undefined));
    }).done;
    waiting.stop();
    if (!request.dryRun && operation.summary.unloaded > 0) await fleet.refresh();
    const still = routers.flatMap(({ up, models: believed }) =>
      [...believed.values()]
        .filter(({ life }) => up && isRunning(life.known))
        .map(({ id, life }) => `${id} (${life.status})`),
    );
    if (output === 'json') call.terminal.out(`${JSON.stringify(operation, null, 2)}\n`);
    else call.terminal.out(conclude(operation, still));
    reportUnreachable(routers, call.terminal);
    return exitCode(operation);
  });
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
    reason: textFlag(call, 'reason') ?? '',
    routers: [],
    selection: {
      models,
      keep: textFlags(call, 'keep'),
      ...(idleFor !== undefined && { idleForMs: idleFor * 1000 }),
    },
    whenBusy: whenBusyFlag(call) ?? terms.whenBusy,
    ...(busyTimeout !== undefined && { busyTimeoutMs: busyTimeout * 1000 }),
    ...(timeout !== undefined && { timeoutMs: timeout * 1000 }),
    verify: call.flags['no-wait'] !== true,
    dryRun: call.flags['dry-run'] === true,
  };
}

function whenBusyFlag(call: Call): WhenBusy | undefined {
  const text = textFlag(call, 'when-busy');
  const word = WHEN_BUSY.find((each) => each === text);
  if (text === undefined || word) return word;
  throw new UsageError(`--when-busy is ${WHEN_BUSY.join(', ')}, not '${text}'`);
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
  return routers.some(({ fault }) => fault) ? EXIT.unreachable : EXIT.done;
}
