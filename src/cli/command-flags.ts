import { WHEN_BUSY } from '../config/when-busy.ts';
import { HOLD_UNLOADS } from '../hold/hold-unloads.ts';
import type { CommandFlag } from './command.ts';

type More = Pick<CommandFlag, 'completes' | 'repeatable' | 'negated'>;

/** A flag with a value: its name in the help, or the words to choose from. */
export function flag(
  name: string,
  value: CommandFlag['value'],
  description: string,
  more?: More,
): CommandFlag {
  return { name, value, description, ...more };
}

/** A flag without a value. */
export function toggle(name: string, description: string, more?: More): CommandFlag {
  return flag(name, undefined, description, more);
}

const TOKEN_FILE = 'Its token is read from LLAMA_ROUTER_EXPORTER_TOKEN_FILE.';

export const OUTPUTS = ['text', 'json'] as const;

export const LIST_OUTPUTS = ['text', 'json', 'names'] as const;

export const HOLD_OUTPUTS = ['text', 'json', 'id'] as const;

export const OUTPUT_FLAG = flag('output', OUTPUTS, 'Output format. Default: text.');

/** The flag that names an exporter in place of the routers; `more` says what else that changes. */
export function exporterFlag(more: string): CommandFlag {
  return flag('exporter', 'URL', `Ask this running exporter instead of the routers. ${TOKEN_FILE} ${more}`);
}

/** For commands that always ask an exporter. */
export const EXPORTER_TO_ASK = flag(
  'exporter',
  'URL',
  `The running exporter. Default: LLAMA_ROUTER_EXPORTER_URL, then http://localhost:10180. ${TOKEN_FILE}`,
);

export const REASON_FLAG = flag('reason', 'TEXT', 'Reason for the report and the audit file.');

export const HOLDER_FLAG = flag(
  'holder',
  'TEXT',
  'Whom the memory is for. Default: USER@HOST of this shell.',
);

/** Flags of every command that unloads. */
export const UNLOAD_FLAGS: readonly CommandFlag[] = [
  flag('keep', 'GLOB', 'Never unload models that match.', { completes: 'model', repeatable: true }),
  flag(
    'when-busy',
    WHEN_BUSY,
    'What to do with a model that is generating or loading: leave it loaded, wait until it is idle, or unload it. ' +
      'Default: unload.when_busy, which is wait.',
  ),
  flag('busy-timeout', 'DURATION', 'Longest wait for a busy model. Default: unload.busy_timeout, 5m.'),
  flag(
    'timeout',
    'DURATION',
    'Longest wait for a model to be gone after its unload request. Default: unload.timeout, 60s.',
  ),
  flag('gpu', 'UUID|INDEX', 'With --exporter: only models with memory on this GPU.', { repeatable: true }),
  flag('idle-for', 'DURATION', 'With --exporter: only models without requests for this long.'),
  toggle('wait', 'Return as soon as the server, or the exporter, has accepted the request.', {
    negated: true,
  }),
  toggle('dry-run', 'Show what would be unloaded; unload nothing.'),
  exporterFlag('Its guards apply, and the operation is in its log and audit file.'),
  flag('on', 'NAME', 'With --exporter: only on the router of this name.', { repeatable: true }),
  flag('hold', 'DURATION', 'With --exporter: hold the freed memory for this long afterwards.'),
  REASON_FLAG,
  OUTPUT_FLAG,
];

/** Flags of every command that places a hold. */
export const HOLD_FLAGS: readonly CommandFlag[] = [
  flag(
    'need',
    'SIZE',
    'Memory that must be measured free on one GPU, such as 12G: as few models as needed are unloaded for it.',
  ),
  flag('unload', HOLD_UNLOADS, 'Which models to unload first: none, as few as --need needs, or all.'),
  flag(
    'when-busy',
    WHEN_BUSY,
    'What to do with a model that is generating or loading. Default: unload.when_busy of the exporter, which is wait.',
  ),
  toggle(
    'restore',
    'Load the models again that were unloaded, when the last hold ends. Not on a llama-swap.',
  ),
  flag('reason', 'TEXT', 'What the memory is needed for, in the sentence that clients see.'),
  EXPORTER_TO_ASK,
];

export const SHELLS = ['bash', 'zsh', 'fish'] as const;

export const SERVER_KINDS = ['llama-server', 'llama-swap'] as const;

export const SIMULATE_FLAGS: readonly CommandFlag[] = [
  flag(
    'kind',
    SERVER_KINDS,
    'What to simulate: llama-server (its router mode) or llama-swap. Default: llama-server.',
  ),
  flag('host', 'HOST', 'Listen address. Default: 127.0.0.1.'),
  flag('port', 'PORT', 'Port. Default: 8080.'),
  flag('models', 'COUNT', 'Number of models. Default: 6.'),
  flag('models-max', 'COUNT', "As llama-server's --models-max; 0 is unlimited. Default: 3."),
  flag('sleep-idle-seconds', 'SECONDS', "As llama-server's --sleep-idle-seconds. Default: 45."),
  flag('ttl', 'SECONDS', "As llama-swap's ttl of each model; 0 is never. Default: 120."),
  toggle('quiet', 'Send no requests to the models: they change only when you ask.'),
  flag(
    'machine',
    'FOLDER',
    'Write its GPU memory there as /proc and /sys files; ' +
      'read them with serve --path.procfs FOLDER/proc --path.sysfs FOLDER/sys.',
    { completes: 'file' },
  ),
];
