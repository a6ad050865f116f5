import { WHEN_BUSY } from '../config/when-busy.ts';
import { HOLD_UNLOADS } from '../hold/hold-unloads.ts';
import type { CommandFlag } from './command.ts';

export const OUTPUTS = ['text', 'json'] as const;

export const LIST_OUTPUTS = ['text', 'json', 'names'] as const;

export const HOLD_OUTPUTS = ['text', 'json', 'id'] as const;

export const OUTPUT_FLAG: CommandFlag = {
  name: 'output',
  value: OUTPUTS,
  description: 'Output format. Default: text.',
};

/** The flag that names an exporter in place of the routers; `more` says what else that changes. */
export function exporterFlag(more: string): CommandFlag {
  const description =
    'Ask this running exporter instead of the routers. Its token is read from LLAMA_ROUTER_EXPORTER_TOKEN_FILE.';
  return { name: 'exporter', value: 'URL', description: `${description} ${more}` };
}

/** For commands that always ask an exporter. */
export const EXPORTER_TO_ASK: CommandFlag = {
  name: 'exporter',
  value: 'URL',
  description:
    'The running exporter. Default: LLAMA_ROUTER_EXPORTER_URL, then http://localhost:10180. Its token is read from ' +
    'LLAMA_ROUTER_EXPORTER_TOKEN_FILE.',
};

export const REASON_FLAG: CommandFlag = {
  name: 'reason',
  value: 'TEXT',
  description: 'Reason for the report and the audit file.',
};

export const HOLDER_FLAG: CommandFlag = {
  name: 'holder',
  value: 'TEXT',
  description: 'Whom the memory is for. Default: USER@HOST of this shell.',
};

/** Flags of every command that unloads. */
export const UNLOAD_FLAGS: readonly CommandFlag[] = [
  {
    name: 'keep',
    value: 'GLOB',
    completes: 'model',
    description: 'Never unload models that match.',
    repeatable: true,
  },
  {
    name: 'when-busy',
    value: WHEN_BUSY,
    description:
      'What to do with a model that is generating or loading: leave it loaded, wait until it is idle, or unload it. ' +
      'Default: unload.when_busy, which is wait.',
  },
  {
    name: 'busy-timeout',
    value: 'DURATION',
    description: 'Longest wait for a busy model. Default: unload.busy_timeout, 5m.',
  },
  {
    name: 'timeout',
    value: 'DURATION',
    description:
      'Longest wait for a model to be gone after its unload request. Default: unload.timeout, 60s.',
  },
  {
    name: 'gpu',
    value: 'UUID|INDEX',
    description: 'With --exporter: only models with memory on this GPU.',
    repeatable: true,
  },
  {
    name: 'idle-for',
    value: 'DURATION',
    description: 'With --exporter: only models without requests for this long.',
  },
  {
    name: 'wait',
    negated: true,
    description: 'Return as soon as the server, or the exporter, has accepted the request.',
  },
  { name: 'dry-run', description: 'Show what would be unloaded; unload nothing.' },
  exporterFlag('Its guards apply, and the operation is in its log and audit file.'),
  {
    name: 'on',
    value: 'NAME',
    description: 'With --exporter: only on the router of this name.',
    repeatable: true,
  },
  {
    name: 'hold',
    value: 'DURATION',
    description: 'With --exporter: hold the freed memory for this long afterwards.',
  },
  REASON_FLAG,
  OUTPUT_FLAG,
];

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
    value: HOLD_UNLOADS,
    description: 'Which models to unload first: none, as few as --need needs, or all.',
  },
  {
    name: 'when-busy',
    value: WHEN_BUSY,
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

export const SHELLS = ['bash', 'zsh', 'fish'] as const;

export const SERVER_KINDS = ['llama-server', 'llama-swap'] as const;

export const SIMULATE_FLAGS: readonly CommandFlag[] = [
  {
    name: 'kind',
    value: SERVER_KINDS,
    description: 'What to simulate: llama-server (its router mode) or llama-swap. Default: llama-server.',
  },
  { name: 'host', value: 'HOST', description: 'Listen address. Default: 127.0.0.1.' },
  { name: 'port', value: 'PORT', description: 'Port. Default: 8080.' },
  { name: 'models', value: 'COUNT', description: 'Number of models. Default: 6.' },
  {
    name: 'models-max',
    value: 'COUNT',
    description: "As llama-server's --models-max; 0 is unlimited. Default: 3.",
  },
  {
    name: 'sleep-idle-seconds',
    value: 'SECONDS',
    description: "As llama-server's --sleep-idle-seconds. Default: 45.",
  },
  {
    name: 'ttl',
    value: 'SECONDS',
    description: "As llama-swap's ttl of each model; 0 is never. Default: 120.",
  },
  { name: 'quiet', description: 'Send no requests to the models: they change only when you ask.' },
  {
    name: 'machine',
    value: 'FOLDER',
    completes: 'file',
    description:
      'Write its GPU memory there as /proc and /sys files; ' +
      'read them with serve --path.procfs FOLDER/proc --path.sysfs FOLDER/sys.',
  },
];
