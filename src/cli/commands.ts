import type { Command } from './command.ts';
import {
  EXPORTER_TO_ASK,
  exporterFlag,
  HOLD_FLAGS,
  HOLD_OUTPUTS,
  HOLDER_FLAG,
  LIST_OUTPUTS,
  OUTPUT_FLAG,
  REASON_FLAG,
  SHELLS,
  SIMULATE_FLAGS,
  UNLOAD_FLAGS,
} from './command-flags.ts';

/**
 * Every command, in the order of the help. Nothing that a command needs to run is imported here: `--help` is answered
 * at once, and `serve` does not have the simulator and the doctor in memory.
 */
export const COMMANDS: readonly Command[] = [
  {
    name: 'serve',
    summary: 'Follow the routers and serve metrics, API and web page (default command).',
    flags: [],
    configured: true,
    load: async () => (await import('./serve.ts')).serve,
  },
  {
    name: 'list',
    summary: 'List routers and models with their status.',
    flags: [
      exporterFlag('It also shows durations, holds and the last operations.'),
      {
        name: 'output',
        value: LIST_OUTPUTS,
        description: 'Output format; names: only the names of the models. Default: text.',
      },
    ],
    configured: true,
    load: async () => (await import('./list.ts')).list,
  },
  {
    name: 'unload',
    summary: 'Unload models and wait until each is gone.',
    words: 'MODEL…',
    completes: 'model',
    flags: UNLOAD_FLAGS,
    configured: true,
    load: async () => (await import('./unload.ts')).unload,
  },
  {
    name: 'unload-all',
    summary: 'Unload every loaded model and wait until each is gone.',
    flags: [
      {
        name: 'model',
        value: 'GLOB',
        completes: 'model',
        description: 'Only models that match.',
        repeatable: true,
      },
      ...UNLOAD_FLAGS,
    ],
    configured: true,
    load: async () => (await import('./unload.ts')).unloadAll,
  },
  {
    name: 'load',
    summary: 'Load models and wait until each is loaded. A llama-swap loads only for requests.',
    words: 'MODEL…',
    completes: 'model',
    flags: [
      {
        name: 'on',
        value: 'NAME',
        description: 'Only on the router of this name: needed where several routers have the model.',
        repeatable: true,
      },
      {
        name: 'timeout',
        value: 'DURATION',
        description: 'Longest time for each model until it is loaded. Default: load.timeout, 10m.',
      },
      {
        name: 'wait',
        negated: true,
        description: 'With --exporter: return as soon as it has accepted the request.',
      },
      { name: 'dry-run', description: 'Show what would be loaded, and what a full router would evict.' },
      exporterFlag('Its holds apply, and the operation is in its log and audit file.'),
      {
        name: 'hold',
        value: 'ID',
        description: 'With --exporter: load for the holder of this hold, although it keeps the memory free.',
      },
      REASON_FLAG,
      OUTPUT_FLAG,
    ],
    configured: true,
    load: async () => (await import('./load.ts')).load,
  },
  {
    name: 'hold',
    summary: 'Free GPU memory and keep it free for a time.',
    flags: [
      {
        name: 'for',
        value: 'DURATION',
        description: 'How long the memory is kept free. This or --until is needed.',
      },
      { name: 'until', value: 'TIME', description: 'Until when, such as 2026-08-14T14:05:00Z.' },
      ...HOLD_FLAGS,
      { name: 'enforce', description: 'Unload idle models that are loaded during the hold.' },
      HOLDER_FLAG,
      {
        name: 'router',
        value: 'NAME',
        description: 'Only on this router, by its name in the exporter.',
        repeatable: true,
      },
      {
        name: 'wait',
        value: 'DURATION',
        description:
          'Longest wait until the memory is free; the hold stays afterwards. Default: as long as it takes.',
      },
      { name: 'output', value: HOLD_OUTPUTS, description: 'Output format. Default: text.' },
    ],
    configured: true,
    load: async () => (await import('./hold.ts')).hold,
  },
  {
    name: 'release',
    summary: 'End holds: the named ones, all, or those of one holder.',
    words: '[ID…]',
    flags: [
      { name: 'all', description: 'End all holds.' },
      { name: 'mine', description: 'End the holds of --holder.' },
      HOLDER_FLAG,
      EXPORTER_TO_ASK,
    ],
    configured: true,
    load: async () => (await import('./release.ts')).release,
  },
  {
    name: 'run',
    summary: 'Free GPU memory, run a command, and keep the memory free until it ends.',
    words: '-- COMMAND [ARGUMENT…]',
    runsProgram: true,
    flags: [
      ...HOLD_FLAGS,
      { name: 'for', value: 'DURATION', description: 'Longest time for which the memory is kept free.' },
      {
        name: 'router',
        value: 'NAME',
        description: 'Only on this router, by its name in the exporter; with --direct, the URL of a router.',
        repeatable: true,
      },
      {
        name: 'direct',
        description: 'Without an exporter: unload all models at the routers. Clients may load models again.',
      },
    ],
    configured: true,
    load: async () => (await import('./run.ts')).run,
  },
  {
    name: 'doctor',
    summary: 'Check the setup: what is wrong, and what to do. Changes nothing and loads no model.',
    flags: [OUTPUT_FLAG],
    configured: true,
    load: async () => (await import('./doctor.ts')).doctor,
  },
  {
    name: 'simulate',
    summary: 'Run a simulated router or llama-swap; no llama-server, model or GPU needed.',
    flags: SIMULATE_FLAGS,
    configured: false,
    load: async () => (await import('./simulate.ts')).simulate,
  },
  {
    name: 'demo',
    summary: 'Run the exporter with a simulated router whose models are in use; no GPU needed.',
    flags: [],
    configured: false,
    load: async () => (await import('./demo.ts')).demo,
  },
  {
    name: 'check-config',
    summary: 'Check a configuration file and the files it names.',
    words: 'FILE',
    completes: 'file',
    flags: [],
    configured: false,
    load: async () => (await import('./check-config.ts')).checkConfig,
  },
  {
    name: 'completion',
    summary: 'Print the completions for a shell.',
    words: SHELLS,
    flags: [],
    configured: false,
    load: async () => (await import('./completion/completion.ts')).completion,
  },
];
