import { formatBytes } from '../lib/bytes.ts';
import { formatDuration } from '../lib/duration.ts';
import { isRunning, STATUSES, type Status } from '../models/feed.ts';
import type { Operation, OperationResult, Outcome, RouterResult } from '../unload/report.ts';
import type { MemoryView, RouterView } from './view-schemas.ts';

const NO_STATUSES = 'unknown which are in memory: run llama-router-exporter doctor';

/** What is wrong with a model; empty when nothing is. `isOld`: it has its status since before the first listing. */
export function describeFailure(loadFailed: boolean, isOld: boolean): string {
  if (!loadFailed) return '';
  // A crash, or an unload that killed the process, leaves the same mark.
  return isOld ? 'listed as failed since before monitoring began' : 'last load failed';
}

/** The time since which a model has the status it had at the first listing. */
export const NOT_KNOWN = 'unknown';

/** Results of models on the page and the command line. */
export const RESULT_WORDS: Record<OperationResult, string> = {
  unloaded: 'unloaded',
  already_unloaded: 'not loaded',
  would_unload: 'would unload',
  kept: 'kept',
  busy: 'busy',
  forced: 'killed',
  timeout: 'not gone',
  failed: 'failed',
  asked: 'asked',
  loaded: 'loaded',
  already_loaded: 'already loaded',
  would_load: 'would load',
  skipped: 'skipped',
};

/** The word before a model without a result. */
export const PENDING_WORD = 'waiting for';

const OUTCOME_WORDS: Record<Exclude<Outcome, 'noop'>, string> = {
  success: 'done',
  partial: 'partly done',
  failed: 'failed',
  refused: 'refused',
  dry_run: 'dry run',
};

/** Of an operation that found nothing to do. */
const NOOP_WORDS: Record<Operation['action'], string> = {
  unload: 'nothing to unload',
  load: 'loaded already',
};

/** What the page and the CLI show of a router next to its name. */
export function factsOf(router: RouterView): string[] {
  const { kind, build, models_max, models, polling_seconds } = router;
  const count = (statuses: readonly Status[]) => statuses.reduce((sum, status) => sum + models[status], 0);
  const all = count(STATUSES);
  const isUnknown = all > 0 && models.other === all;
  const memory = isUnknown ? NO_STATUSES : `${count(STATUSES.filter(isRunning))} in memory`;
  const facts = [`${all} model${all === 1 ? '' : 's'}, ${memory}`];
  if (build) facts.unshift(`${kind} ${build}`);
  if (models_max) facts.push(`at most ${models_max} in memory`);
  facts.push(...unknownActivity(router));
  if (polling_seconds !== null)
    facts.push(`no event stream: polled every ${formatDuration(polling_seconds)}`);
  return facts;
}

/** Why the activity of models is unknown. */
function unknownActivity({
  activity,
  event_stream,
  engine_metrics,
  engine_read,
  unread_models,
}: RouterView): string[] {
  if (activity === 'reported') return event_stream === 'connected' ? [] : ['activity unknown'];
  if (engine_read === 'off') return ['activity unknown: reading is off (engine.read)'];
  if (engine_metrics === 'disabled') return ['activity unknown: started without --metrics'];
  if (unread_models === 0) return [];
  return [
    `activity of ${unread_models} unknown: a read would keep ${unread_models === 1 ? 'it' : 'them'} awake`,
  ];
}

const ORDER = ['loading', 'loaded', 'sleeping', 'unloading', 'downloading', 'other', 'unloaded'] as const;

/** Models in memory first; otherwise in the given order. */
export function inOrder<T>(models: Iterable<T>, statusOf: (model: T) => Status): T[] {
  return [...models].sort((one, other) => ORDER.indexOf(statusOf(one)) - ORDER.indexOf(statusOf(other)));
}

/** `loaded`, `loading 25 %`. */
export function describeStatus(status: Status, loadProgress: number | null | undefined): string {
  if (status !== 'loading' || loadProgress == null) return status;
  return `${status} ${Math.round(loadProgress * 100)} %`;
}

/** `busy`, `idle, active 5m ago`; empty for a model that is not in memory. */
export function describeActivity(
  status: Status,
  now: number,
  { busy, lastAt }: { busy?: boolean | null | undefined; lastAt?: number | undefined } = {},
): string {
  const last = lastAt === undefined ? '' : `active ${ago(lastAt, now)}`;
  if (status === 'sleeping') return last;
  if (status !== 'loaded') return '';
  if (busy == null) return 'unknown';
  if (busy) return 'busy';
  return last === '' ? 'idle' : `idle, ${last}`;
}

/** The memory of a model or of a router's own process. */
export type HeldMemory = Pick<MemoryView['models'][number], 'gpu_bytes' | 'resident_bytes'>;

const MEASURES = [
  { label: 'GPU memory', of: (held?: HeldMemory) => bytesOrNothing(held?.gpu_bytes) },
  { label: 'Resident', of: (held?: HeldMemory) => bytesOrNothing(held?.resident_bytes) },
];

/** The memory columns that have a value for any of these processes. */
export function measuresOf(processes: readonly HeldMemory[]) {
  return MEASURES.filter(({ of }) => processes.some((held) => of(held) !== ''));
}

export function bytesOrNothing(bytes: number | null | undefined): string {
  return bytes == null ? '' : formatBytes(bytes);
}

/** `python3 (646) 1.6 GiB` for each process. */
export function describeProcesses(processes: MemoryView['gpus'][number]['other_processes']): string[] {
  return processes.map(({ pid, name, bytes }) => `${name || 'process'} (${pid}) ${formatBytes(bytes)}`);
}

/** What holds memory outside its router, and what to do. */
export function describeOrphan(orphan: MemoryView['orphans'][number]): string {
  const { router, model, pid, gpu_bytes, resident_bytes } = orphan;
  const kind = gpu_bytes === null ? 'memory' : 'GPU memory';
  const amount = bytesOrNothing(gpu_bytes ?? resident_bytes) || 'an unknown amount';
  return `Orphan process ${pid} of ${model} on ${router} holds ${amount} of ${kind}: end it.`;
}

/** The time since a moment: in seconds below a minute, then in minutes, so that a page stays the same for a while. */
export function spanSince(at: number, now: number): string {
  const seconds = Math.floor((now - at) / 1000);
  if (seconds < 1) return '0s';
  return formatDuration(seconds < 60 ? seconds : seconds - (seconds % 60));
}

export function ago(at: number, now: number): string {
  return now - at < 1000 ? 'just now' : `${spanSince(at, now)} ago`;
}

/** The number of operations that are shown; /api/v1/operations has all. */
const MAX_SHOWN = 8;

/** The number of models that are named for one result. */
const MAX_NAMED = 5;

/** The last operations without dry runs, the newest first. */
export function lastOf(operations: readonly Operation[]): readonly Operation[] {
  return operations.filter(({ dry_run }) => !dry_run).slice(0, MAX_SHOWN);
}

export type OperationWords = ReturnType<typeof describeOperation>;

/** An operation in words, for the page and the command line. */
export function describeOperation(operation: Operation, now: number) {
  const { trigger, caller, outcome, started_at, duration_seconds, reason, routers } = operation;
  const took = outcome === null || duration_seconds < 1 ? '' : `took ${formatDuration(duration_seconds)}`;
  return {
    when: ago(Date.parse(started_at), now),
    askedBy: caller.name === trigger ? trigger : `${caller.name} (${trigger})`,
    outcome: outcomeIn(operation),
    models: resultsOf(operation).join('; '),
    note: [reason, took, ...routers.flatMap(notesOn)].filter((note) => note !== '').join('; '),
  };
}

function outcomeIn({ outcome, action }: Operation): string {
  if (outcome === null) return 'in progress';
  return outcome === 'noop' ? NOOP_WORDS[action] : OUTCOME_WORDS[outcome];
}

/** `unloaded qwen3-8b, gemma-3-27b` for each result. */
function resultsOf({ routers }: Operation): string[] {
  const groups = new Map<string, string[]>();
  for (const { model, result } of routers.flatMap(({ models }) => models)) {
    const word = result === null ? PENDING_WORD : RESULT_WORDS[result];
    groups.set(word, [...(groups.get(word) ?? []), model]);
  }
  return [...groups].map(([word, models]) => {
    const more = models.length > MAX_NAMED ? ` and ${models.length - MAX_NAMED} more` : '';
    return `${word} ${models.slice(0, MAX_NAMED).join(', ')}${more}`;
  });
}

function notesOn({ router, memory, fault, refused }: RouterResult): string[] {
  return [
    ...(memory && memory.freed_bytes > 0 ? [`freed ${formatBytes(memory.freed_bytes)} on ${router}`] : []),
    ...(fault ? [`${router}: ${fault.message}`] : []),
    ...(refused ? [`${router}: ${refused.detail}`] : []),
  ];
}
