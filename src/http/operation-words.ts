import { formatBytes } from '../lib/bytes.ts';
import { formatDuration } from '../lib/duration.ts';
import type { Operation, RouterResult } from '../unload/report.ts';
import { ago, describeOutcome, PENDING_WORD, RESULT_WORDS } from './words.ts';

/** So many are told of; all that are remembered are at /api/v1/operations. */
const TOLD = 8;

/** So many models of one result are named. */
const NAMED = 5;

/** An operation in words, for the page and a terminal. */
interface ToldOperation {
  when: string;
  askedBy: string;
  outcome: string;
  models: string;
  note: string;
}

/** What was done last, and what was refused; the newest first. Dry runs did nothing. */
export function lastOf(operations: readonly Operation[]): readonly Operation[] {
  return operations.filter(({ dry_run }) => !dry_run).slice(0, TOLD);
}

export function tellOperation(operation: Operation, now: number): ToldOperation {
  const { trigger, caller, outcome, started_at, duration_seconds, reason, routers } = operation;
  const took = outcome === null || duration_seconds < 1 ? '' : `took ${formatDuration(duration_seconds)}`;
  return {
    when: ago(Date.parse(started_at), now),
    askedBy: caller.name === trigger ? trigger : `${caller.name} (${trigger})`,
    outcome: describeOutcome(outcome),
    models: resultsOf(operation).join('; '),
    note: [reason, took, ...routers.flatMap(notesOn)].filter((note) => note !== '').join('; '),
  };
}

/** `unloaded qwen3-8b, gemma-3-27b`, one for each result there is. */
function resultsOf({ routers }: Operation): string[] {
  const groups = new Map<string, string[]>();
  for (const { model, result } of routers.flatMap(({ models }) => models)) {
    const word = result === null ? PENDING_WORD : RESULT_WORDS[result];
    groups.set(word, [...(groups.get(word) ?? []), model]);
  }
  return [...groups].map(([word, models]) => {
    const more = models.length > NAMED ? ` and ${models.length - NAMED} more` : '';
    return `${word} ${models.slice(0, NAMED).join(', ')}${more}`;
  });
}

function notesOn({ router, memory, fault, refused }: RouterResult): string[] {
  return [
    ...(memory ? [`freed ${formatBytes(memory.freed_bytes)} on ${router}`] : []),
    ...(fault ? [`${router}: ${fault.message}`] : []),
    ...(refused ? [`${router}: ${refused.detail}`] : []),
  ];
}
