import { hostname, userInfo } from 'node:os';
import { WHEN_BUSY } from '../config/when-busy.ts';
import { HOLD_UNLOADS } from '../hold/hold-unloads.ts';
import { parseBytes } from '../lib/bytes.ts';
import { parseDuration } from '../lib/duration.ts';
import { oneLine } from '../lib/one-line.ts';
import { REASON_LENGTH, reasonText } from '../unload/request.ts';
import { type Call, choiceFlag, parsedFlag, textFlag, textFlags } from './command.ts';
import { UsageError } from './exit-codes.ts';
import type { HoldBody } from './remote-exporter.ts';

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

/** What the flags of HOLD_FLAGS and `--router NAME` say. */
export function holdBodyOf(call: Call): HoldBody {
  const routers = textFlags(call, 'router');
  return {
    routers: routers.length > 0 ? routers : undefined,
    reason: reasonFlag(call),
    need_bytes: parsedFlag(call, 'need', parseSize, 'a size such as 12G, 12GiB or 500MB'),
    unload: choiceFlag(call, 'unload', HOLD_UNLOADS),
    when_busy: choiceFlag(call, 'when-busy', WHEN_BUSY),
    restore: call.flags.restore === true ? true : undefined,
  };
}

/** Whom a hold of this command is for. */
export function holderOf(call: Call): string {
  const holder = textFlag(call, 'holder');
  return holder ? oneLine(holder, REASON_LENGTH) : defaultHolder();
}

/** `alice@laptop`: whom clients see as the holder, unless another one is named. */
export function defaultHolder(): string {
  return oneLine(`${userName()}@${hostname()}`, REASON_LENGTH);
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A user without an entry in /etc/passwd, as in a container.
    return `user ${process.getuid?.() ?? ''}`.trim();
  }
}

/** In bytes. `12G` is 12 GiB, as for Slurm, Docker and systemd: the larger meaning is on the safe side here. */
function parseSize(text: string): number | undefined {
  return parseBytes(/\d\s*[kmgt]$/i.test(text) ? `${text}iB` : text) || undefined;
}
