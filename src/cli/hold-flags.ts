import { hostname, userInfo } from 'node:os';
import { WHEN_BUSY } from '../config/when-busy.ts';
import { HOLD_UNLOADS } from '../hold/hold.ts';
import { parseBytes } from '../lib/bytes.ts';
import { oneLine } from '../lib/one-line.ts';
import { REASON_LENGTH } from '../unload/request.ts';
import { type Call, type CommandFlag, choiceFlag, textFlag, textFlags } from './command.ts';
import { UsageError } from './exit-codes.ts';
import type { HoldBody } from './remote-holds.ts';
import { reasonFlag } from './unload.ts';

export const EXPORTER_TO_ASK: CommandFlag = {
  name: 'exporter',
  value: 'URL',
  description:
    'The running exporter. Default: LLAMA_ROUTER_EXPORTER_URL, then http://localhost:10180. Its token is read from ' +
    'LLAMA_ROUTER_EXPORTER_TOKEN_FILE.',
};

export const HOLDER_FLAG: CommandFlag = {
  name: 'holder',
  value: 'TEXT',
  description: 'Whom the memory is for. Default: USER@HOST of this shell.',
};

/** Flags of every command that places a hold. */
export const HOLD_FLAGS: readonly CommandFlag[] = [
  {
    name: 'need',
    value: 'SIZE',
    description:
      'Memory that must be measured free on one GPU, such as 12G: as few models as needed are unloaded for it.',
  },
  {
    name: 'unload',
    value: HOLD_UNLOADS.join('|'),
    description: 'Which models to unload first: none, as few as --need needs, or all.',
  },
  {
    name: 'when-busy',
    value: WHEN_BUSY.join('|'),
    description:
      'What to do with a model that is generating or loading. Default: unload.when_busy of the exporter, which is wait.',
  },
  {
    name: 'restore',
    description: 'Load the models again that were unloaded, when the last hold ends. Not on a llama-swap.',
  },
  {
    name: 'reason',
    value: 'TEXT',
    description: 'What the memory is needed for, in the sentence that clients see.',
  },
  EXPORTER_TO_ASK,
];

/** What the flags of HOLD_FLAGS and `--router NAME` say. */
export function holdBodyOf(call: Call): HoldBody {
  const routers = textFlags(call, 'router');
  return {
    routers: routers.length > 0 ? routers : undefined,
    reason: reasonFlag(call),
    need_bytes: sizeFlag(call, 'need'),
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
function sizeFlag(call: Call, name: string): number | undefined {
  const text = textFlag(call, name);
  if (text === undefined) return undefined;
  const bytes = parseBytes(/\d\s*[kmgt]$/i.test(text) ? `${text}iB` : text);
  if (bytes !== undefined && bytes > 0) return bytes;
  throw new UsageError(`--${name} must be a size such as 12G, 12GiB or 500MB, not '${text}'`);
}
