import { RESULT_WORDS } from '../http/words.ts';
import { formatBytes } from '../lib/bytes.ts';
import { formatDuration } from '../lib/duration.ts';
import type { ModelResult, Operation } from '../unload/report.ts';
import { EXIT } from './exit-codes.ts';
import { printable } from './text.ts';

/** A line about one model; `router` is given where there are several. */
export function formatResult(modelResult: ModelResult, router: string | undefined): string {
  const { model, result, seconds, detail = '' } = printable(modelResult);
  const notes = [seconds === undefined ? '' : formatDuration(seconds), detail].filter((note) => note !== '');
  const where = router === undefined ? '' : ` on ${printable(router)}`;
  return `${RESULT_WORDS[result].padEnd(12)}  ${model}${where}${notes.length > 0 ? `  (${notes.join('; ')})` : ''}\n`;
}

/** The last lines about an operation; `remaining` are the models in memory now. */
export function formatConclusion(operation: Operation, remaining: readonly string[]): string {
  const { outcome, id, dry_run, routers } = printable(operation);
  if (outcome === null) return `In progress: operation ${id}.\n`;
  if (routers.every(({ fault, refused }) => fault || refused)) return '';
  if (remaining.length === 0 && routers.every(({ models }) => models.length === 0)) {
    return 'No loaded models found.\n';
  }
  if (dry_run) return 'Dry run: nothing was unloaded.\n';
  const freed = routers.map(({ router, memory }) =>
    memory ? `Freed ${formatBytes(memory.freed_bytes)} on ${router}.\n` : '',
  );
  const rest =
    remaining.length === 0
      ? 'No model is loaded.\n'
      : `Still in memory: ${printable(remaining).join(', ')}.\n`;
  return `${freed.join('')}${rest}`;
}

export function exitCodeOf({ routers, summary }: Operation, missed: boolean): number {
  if (summary.failed > 0 || summary.busy > 0) return EXIT.notDone;
  if (routers.some(({ refused }) => refused)) return EXIT.notDone;
  return missed || routers.some(({ fault }) => fault) ? EXIT.unreachable : EXIT.done;
}
