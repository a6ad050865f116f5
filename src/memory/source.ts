import type { Clock } from '../lib/clock.ts';
import { failed, type Result } from '../lib/result.ts';
import type { SourceReport } from './reading.ts';

/**
 * Reads facts of one kind. Never throws. Answers `ok` with nothing in it where there is nothing to read; a fault is
 * in words, for a person.
 */
export interface Source<Facts, Question = void> {
  /** The label `collector`. */
  name: string;
  /** Facts when there are none. */
  nothing: Facts;
  /** What to say, and to do, when it gives no answer in time. */
  whenLate?: string;
  read(question: Question, signal: AbortSignal): Promise<Result<Facts, string>>;
}

export interface Asked<Facts> {
  /** `nothing` after a fault: a source that fails publishes none of its facts. */
  facts: Facts;
  report: SourceReport;
}

/** Asks a source, and waits no longer than the deadline or the end, whether it heeds its signal or not. */
export async function askSource<Facts, Question>(
  source: Source<Facts, Question>,
  question: Question,
  { timeoutMs, clock, ending }: { timeoutMs: number; clock: Clock; ending: AbortSignal },
): Promise<Asked<Facts>> {
  const enough = new AbortController();
  const startedAt = clock.now();
  const late = new Promise<Result<Facts, string>>((resolve) => {
    enough.signal.addEventListener('abort', () => {
      resolve(failed(`no answer within ${timeoutMs / 1000} s${source.whenLate ?? ''}`));
    });
  });
  const stop = () => enough.abort();
  const cancel = clock.after(timeoutMs, stop);
  ending.addEventListener('abort', stop);
  if (ending.aborted) stop();
  const result = await Promise.race([source.read(question, enough.signal), late]);
  cancel();
  ending.removeEventListener('abort', stop);
  const seconds = Math.max(0, clock.now() - startedAt) / 1000;
  return {
    facts: result.ok ? result.value : source.nothing,
    report: { collector: source.name, seconds, ...(!result.ok && { fault: result.fault }) },
  };
}
