import { basename } from 'node:path';
import { processEnvironment } from '../config/environment.ts';
import type { MemoryView } from '../http/view-schemas.ts';
import { formatBytes } from '../lib/bytes.ts';
import { systemClock } from '../lib/clock.ts';
import { formatDuration } from '../lib/duration.ts';
import { oneLine } from '../lib/one-line.ts';
import type { Operation } from '../unload/report.ts';
import { REASON_LENGTH } from '../unload/request.ts';
import { type Call, exporterOf } from './command.ts';
import { EXIT, UnreachableError, UsageError } from './exit-codes.ts';
import { type KeptHold, keepHold } from './kept-hold.ts';
import { defaultHolder, durationFlag, holdBodyOf } from './operation-flags.ts';
import { exitCodeOf, faultsOf, formatResult, type ProgressOf } from './operation-output.ts';
import { type HoldBody, remoteHolds, sayWaiting } from './remote-exporter.ts';
import { catchSignals, type Signals } from './signals.ts';
import { printable } from './text.ts';
import { runToEnd, signalExit, startFailure } from './wrapped-program.ts';

// The terminal may be closed while the command runs.
process.stderr.on('error', () => {});

/** A killed `run` holds memory for this long at most. */
const TTL_MS = 60_000;

export async function run(call: Call): Promise<number> {
  const [program] = call.words;
  if (program === undefined || program === '') throw new UsageError('run needs a command: run -- COMMAND');
  const say = (line: string) => call.terminal.err(`llama-router-exporter: ${printable(line)}\n`);
  const failure = startFailure(program, processEnvironment().PATH);
  if (failure !== undefined) {
    say(`${program} ${failure === EXIT.notFound ? 'is not found' : 'cannot be executed'}`);
    return failure;
  }
  const memory = call.flags.direct === true ? await freeDirectly(call, say) : freeThroughExporter(call, say);
  const signals = catchSignals();
  let code: number;
  try {
    code = await runWhenReady(call.words, memory, signals, say);
  } finally {
    await memory.release();
    signals.release();
  }
  call.terminal.leave?.();
  return code;
}

async function runWhenReady(
  words: readonly string[],
  memory: KeptHold,
  signals: Signals,
  say: (line: string) => void,
): Promise<number> {
  const notRun = `${words[0]} was not run`;
  try {
    const ready = memory.ready.then((why) => ({ why, signal: undefined }));
    const interrupted = signals.first.then((signal) => ({ why: undefined, signal }));
    const { why, signal } = await Promise.race([ready, interrupted]);
    if (signal !== undefined) {
      say(`${signal}: ${notRun}`);
      return signalExit(signal);
    }
    if (why !== undefined) {
      say(`memory could not be freed: ${why.replace(/\.$/, '')}. ${notRun}`);
      return EXIT.notRun;
    }
  } catch (error) {
    if (!(error instanceof UnreachableError) && !(error instanceof UsageError)) throw error;
    const remedy =
      error instanceof UnreachableError
        ? '. Start the exporter there, name another one with --exporter, or only unload with --direct'
        : '';
    say(`${error.message.replace(/\.$/, '')}${remedy}. ${notRun}`);
    return EXIT.notRun;
  }
  return runToEnd(words, signals);
}

function freeThroughExporter(call: Call, say: (line: string) => void): KeptHold {
  const api = remoteHolds(exporterOf(call));
  const startedAt = systemClock.now();
  const seconds = durationFlag(call, 'for');
  let operation: Operation | undefined;
  const sayProgress = sayWaiting(say);
  const { ready, release } = keepHold(api, bodyOf(call), {
    ttlMs: TTL_MS,
    longestMs: seconds === undefined ? undefined : seconds * 1000,
    clock: systemClock,
    say,
    onProgress(current) {
      operation = current;
      sayProgress(current);
    },
  });
  return {
    release,
    ready: ready.then(async (why) => {
      if (why !== undefined) return why;
      const took = formatDuration((systemClock.now() - startedAt) / 1000);
      say(`memory free after ${took}: ${describeFreed(await api.memory(), operation)}`);
      return undefined;
    }),
  };
}

/** `12.3 GiB on GPU 0`; without measured GPUs, what was unloaded. */
function describeFreed(memory: MemoryView, operation: Operation | undefined): string {
  const gpus = memory.gpus.flatMap(({ gpu, total_bytes, used_bytes }) =>
    total_bytes === null || used_bytes === null
      ? []
      : [`${formatBytes(Math.max(0, total_bytes - used_bytes))} on GPU ${gpu}`],
  );
  if (gpus.length > 0) return gpus.join(', ');
  const results = operation?.routers.flatMap(({ models }) => models) ?? [];
  const gone = results.filter(({ result }) => result === 'unloaded' || result === 'forced');
  return gone.length === 0 ? 'nothing was unloaded' : `unloaded ${gone.map(({ model }) => model).join(', ')}`;
}

function bodyOf(call: Call): HoldBody {
  const body = holdBodyOf(call);
  const name = oneLine(basename(call.words[0] ?? ''), REASON_LENGTH);
  return {
    ...body,
    holder: defaultHolder(),
    reason: body.reason || name,
    unload: body.unload ?? (body.need_bytes === undefined ? 'all' : 'enough'),
  };
}

const EXPORTER_ONLY = ['need', 'unload', 'restore', 'for', 'exporter'];

/** Unloads all models; there is no hold to release. A signal ends the program at once until then. */
async function freeDirectly(call: Call, say: (line: string) => void): Promise<KeptHold> {
  const exporterOnly = EXPORTER_ONLY.find((flag) => call.flags[flag] !== undefined);
  if (exporterOnly) throw new UsageError(`--${exporterOnly} needs an exporter: leave it or --direct out`);
  const { routers, when_busy, reason } = holdBodyOf(call);
  const configSource = () => call.configSource({ router: routers && [...routers] });
  const progressOf: ProgressOf = () => (router, entry) => {
    if (entry.result !== null || entry.detail !== undefined) say(formatResult(entry, router).trimEnd());
  };
  const body = { models: [], when_busy, reason };
  const { unloadDirectly } = await import('./unload.ts');
  const { result: operation, missed } = await unloadDirectly(body, { ...call, configSource }, progressOf);
  const isFree = exitCodeOf(operation, { named: false, partial: false }, missed) === EXIT.done;
  if (isFree) say('memory is free. Without an exporter, nothing keeps clients from loading models again');
  const faults = faultsOf(operation).map(({ router, message }) => `${router}: ${message}`);
  const why = faults.length > 0 ? faults.join('; ') : 'not all models were unloaded';
  return { ready: Promise.resolve(isFree ? undefined : why), release: async () => {} };
}
