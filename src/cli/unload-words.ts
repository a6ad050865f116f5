import { RESULT_WORDS } from '../http/words.ts';
import { formatBytes } from '../lib/bytes.ts';
import { formatDuration } from '../lib/duration.ts';
import type { ModelResult, Operation } from '../unload/report.ts';

/** A line about one model; the router is named where there are several. */
export function lineOf({ model, result, seconds, detail }: ModelResult, router: string | undefined): string {
  const after = [seconds === undefined ? undefined : formatDuration(seconds), detail].filter((part) => part);
  const where = router === undefined ? '' : ` on ${router}`;
  return `${RESULT_WORDS[result].padEnd(12)}  ${model}${where}${after.length > 0 ? `  (${after.join('; ')})` : ''}\n`;
}

/** The last words about an operation; `still` names what is in memory now. */
export function conclude(operation: Operation, still: readonly string[]): string {
  if (operation.outcome === null) return `Under way: operation ${operation.id}.\n`;
  const freed = operation.routers
    .flatMap(({ router, memory }) => (memory ? [`${formatBytes(memory.freed_bytes)} on ${router}`] : []))
    .map((where) => `Freed ${where}.\n`)
    .join('');
  const reached = operation.routers.some(({ fault, refused }) => !fault && !refused);
  if (!reached) return '';
  const touched = operation.routers.some(({ models }) => models.length > 0);
  if (!touched && still.length === 0) return 'No loaded models found.\n';
  if (operation.dry_run) return 'Nothing was unloaded: this was a dry run.\n';
  return `${freed}${still.length === 0 ? 'Now no model is loaded.\n' : `Still in memory: ${still.join(', ')}.\n`}`;
}
