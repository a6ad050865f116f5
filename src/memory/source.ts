import type { Clock } from '../lib/clock.ts';
import { codeOf, DESCRIPTOR_REMEDY, isDescriptorShortage } from '../lib/error-code.ts';
import { failed, type Result } from '../lib/result.ts';
import type { SourceReport } from './reading.ts';

/** What a source says besides its facts. `fault` is what failed while the rest was read. */
export type Notes = Pick<SourceReport, 'fault' | 'warnings' | 'malformed'>;

export type SourceAnswer<Facts> = Result<Facts, string> & { notes?: Notes };

/**
 * Reads facts of one kind. Throws only if the exporter has no free file descriptor. Hardware that is missing is `ok` with
 * `nothing`.
 */
export interface Source<Facts, Question = void> {
  /** The label `collector`. */
  name: string;
  nothing: Facts;
  /** Appended to the fault of a timeout: what to check. */
  timeoutHint?: string;
  read(question: Question, signal: AbortSignal): Promise<SourceAnswer<Facts>>;
}

export interface SourceResult<Facts> {
  ok: boolean;
  /** `nothing` after a fault: a failing source publishes none of its facts. */
  facts: Facts;
  report: SourceReport;
}

/** Reads a source within the timeout, even if the source ignores its signal. `ending` cancels it. */
export async function readSource<Facts, Question>(
  source: Source<Facts, Question>,
  question: Question,
  { timeoutMs, clock, ending }: { timeoutMs: number; clock: Clock; ending: AbortSignal },
): Promise<SourceResult<Facts>> {
  const timeout = new AbortController();
  const startedAt = clock.now();
  const late = new Promise<SourceAnswer<Facts>>((resolve) => {
    timeout.signal.addEventListener('abort', () => {
      resolve(failed(`no response within ${timeoutMs / 1000} s${source.timeoutHint ?? ''}`));
    });
  });
  const abort = () => timeout.abort();
  const cancel = clock.after(timeoutMs, abort);
  ending.addEventListener('abort', abort);
  if (ending.aborted) abort();
  const result = await Promise.race([source.read(question, timeout.signal).catch(shortage), late]);
  cancel();
  ending.removeEventListener('abort', abort);
  const notes = result.ok ? result.notes : { fault: result.fault };
  return {
    ok: result.ok,
    facts: result.ok ? result.value : source.nothing,
    report: { collector: source.name, seconds: (clock.now() - startedAt) / 1000, ...notes },
  };
}

function shortage(error: unknown): SourceAnswer<never> {
  const code = codeOf(error);
  if (!isDescriptorShortage(code)) throw error;
  return failed(`cannot open files (${code}): ${DESCRIPTOR_REMEDY}`);
}
