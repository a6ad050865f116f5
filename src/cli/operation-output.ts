import { PENDING_WORD, RESULT_WORDS } from '../http/words.ts';
import { formatBytes } from '../lib/bytes.ts';
import { formatDuration } from '../lib/duration.ts';
import type { OnProgress } from '../unload/operation.ts';
import type { ModelResult, Operation, PendingModel } from '../unload/report.ts';
import type { Call } from './command.ts';
import { EXIT } from './exit-codes.ts';
import { type OneOff, outputOf } from './one-off.ts';
import { showWaiting } from './terminal.ts';
import { formatJson, printable } from './text.ts';

/** Makes what shows progress; `several`: models are shown with their router. */
export type ProgressOf = (several: boolean) => OnProgress;

/**
 * Runs an operation, shows its progress, and prints what it came to in the words of `conclude`. `hint` follows the line
 * about the first model that is waited for.
 */
export async function showOperation(
  call: Call,
  { waitingFor, hint = '' }: { waitingFor: string; hint?: string },
  run: (progressOf: ProgressOf) => Promise<OneOff<Operation>>,
  conclude: (operation: Operation) => string,
): Promise<OneOff<Operation>> {
  const { terminal } = call;
  const output = outputOf(call);
  let [shown, nextHint] = [waitingFor, hint];
  const waiting = showWaiting(terminal, () => shown);
  const progressOf: ProgressOf = (several) => (router, entry) => {
    const { model, result, detail } = printable(entry);
    if (result === null && detail === undefined) return;
    if (result === null && detail?.startsWith('loading')) {
      shown = `${model}: ${detail}`;
      return;
    }
    waiting.clear();
    const line = formatResult(entry, several ? router : undefined);
    if (result === null) {
      terminal.err(`${line}${nextHint}`);
      nextHint = '';
    } else if (output === 'text') terminal.out(line);
  };
  const done = await run(progressOf).finally(waiting.stop);
  terminal.out(output === 'json' ? formatJson(done.result) : conclude(done.result));
  return done;
}

/** A model with its result, or with what is waited for. */
type ShownResult = Omit<ModelResult, 'result'> & Pick<ModelResult | PendingModel, 'result'>;

/** A line about one model; `router` is given where there are several. */
export function formatResult(entry: ShownResult, router: string | undefined): string {
  const { model, result, seconds, detail = '' } = printable(entry);
  const word = result === null ? PENDING_WORD : RESULT_WORDS[result];
  const notes = [seconds === undefined ? '' : formatDuration(seconds), detail].filter((note) => note !== '');
  const where = router === undefined ? '' : ` on ${printable(router)}`;
  return `${word.padEnd(12)}  ${model}${where}${notes.length > 0 ? `  (${notes.join('; ')})` : ''}\n`;
}

/** The last lines about an unload. */
export function formatConclusion(operation: Operation): string {
  const { outcome, id, dry_run, routers, still_in_memory } = printable(operation);
  if (outcome === null) return `In progress: operation ${id}.\n`;
  if (routers.every(({ fault, refused }) => fault || refused)) return '';
  if (still_in_memory.length === 0 && routers.every(({ models }) => models.length === 0)) {
    return 'No loaded models found.\n';
  }
  if (dry_run) return 'Dry run: nothing was unloaded.\n';
  const freed = routers.map(({ router, memory }) =>
    memory ? `Freed ${formatBytes(memory.freed_bytes)} on ${router}.\n` : '',
  );
  const rest = still_in_memory.map(({ model, status }) => `${model} (${status})`);
  return `${freed.join('')}${rest.length === 0 ? 'No model is loaded.' : `Still in memory: ${rest.join(', ')}.`}\n`;
}

/** What an unload was asked to do, as far as its exit code depends on it. */
export interface UnloadAim {
  /** The command names models: others are not in its scope. */
  named: boolean;
  /** Only idle models, or without waiting: models may rightly be in memory at the end. */
  partial: boolean;
}

/** Models in scope that are not kept, and in memory although none of them stayed: clients have loaded them. */
export function loadedMeanwhile(operation: Operation, { named, partial }: UnloadAim): string[] {
  const { routers, still_in_memory, dry_run } = operation;
  if (dry_run || partial) return [];
  return still_in_memory.flatMap(({ router, model }) => {
    const entries = routers.find((each) => each.router === router)?.models ?? [];
    const last = entries.findLast((entry) => entry.model === model)?.result;
    const isLoaded = last === undefined ? !named : last !== null && GONE.includes(last);
    return isLoaded ? [model] : [];
  });
}

const GONE: readonly string[] = ['unloaded', 'forced', 'already_unloaded'];

export function exitCodeOf(operation: Operation, aim: UnloadAim, missed: boolean): number {
  const { routers, summary } = operation;
  const undone = summary.failed + summary.busy + summary.skipped + loadedMeanwhile(operation, aim).length;
  if (undone > 0 || routers.some(({ refused }) => refused)) return EXIT.notDone;
  return missed || routers.some(({ fault }) => fault) ? EXIT.unreachable : EXIT.done;
}

/** Why routers could not be used. */
export function faultsOf({ routers }: Operation): { router: string; message: string }[] {
  return routers.flatMap(({ router, fault }) => (fault ? [{ router, message: fault.message }] : []));
}
