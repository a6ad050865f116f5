import { parseDuration } from '../lib/duration.ts';
import { REASON_LENGTH, reasonText } from '../unload/request.ts';
import { type Call, parsedFlag, textFlag } from './command.ts';
import { UsageError } from './exit-codes.ts';

export function reasonFlag(call: Call): string {
  const reason = reasonText.safeParse(textFlag(call, 'reason') ?? '');
  if (reason.success) return reason.data;
  throw new UsageError(
    `--reason must be one line of at most ${REASON_LENGTH} characters, without control characters`,
  );
}

/** In seconds. */
export function durationFlag(call: Call, name: string): number | undefined {
  return parsedFlag(call, name, (text) => parseDuration(text) || undefined, 'a duration such as 30s');
}
