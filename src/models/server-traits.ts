import type { Status } from './feed.ts';

/** What follows from the kind of a server, as data: only `backends/` knows the kinds. */
export interface ServerTraits {
  /** Value of the label `kind`. */
  readonly kind: string;
  /** What it is called in texts, with its version. */
  readonly product: string;
  /** The statuses that its models can have. */
  readonly statuses: readonly Status[];
  /**
   * How the end of a process is told. `exit_code`: with its code, in listings too. `state`: a process that ended between
   * two listings ended for an unknown reason.
   */
  readonly endsTold: 'exit_code' | 'state';
  /**
   * `places`: a model is evicted only while as many as `--models-max` run. `rules`: any model that is loaded may evict
   * others, several at once.
   */
  readonly evictsBy: 'places' | 'rules';
  /** How many unloads may be under way at once; 1 where an unload holds up requests to all other models. */
  readonly unloadsAtOnce: number;
  /** `asked`: a model's own metrics tell its activity. `told`: the event stream does. */
  readonly activity: 'asked' | 'told';
  /** Texts for an operator: why something cannot be done, and what to do. A `fact` follows the URL of the server. */
  readonly remedies: {
    readonly noUnload: Remedy;
    readonly noLoad: Remedy;
    readonly noActivity: string;
    readonly noStatuses: string;
  };
}

interface Remedy {
  readonly fact: string;
  readonly remedy: string;
}

/** Those of llama.cpp's router. */
export const ROUTER_TRAITS: ServerTraits = {
  kind: 'llama-server',
  product: 'llama.cpp',
  statuses: ['downloading', 'unloaded', 'loading', 'loaded', 'sleeping', 'other'],
  endsTold: 'exit_code',
  evictsBy: 'places',
  // Each is a process that ends.
  unloadsAtOnce: 8,
  activity: 'asked',
  remedies: {
    noUnload: {
      fact: 'does not know POST /models/unload',
      remedy:
        'only a llama-server in router mode unloads models; a proxy in front of it must let this path pass',
    },
    noLoad: {
      fact: 'does not know POST /models/load',
      remedy:
        'only a llama-server in router mode loads models; a proxy in front of it must let this path pass',
    },
    noActivity:
      'neither /metrics nor /slots tell; start llama-server with --metrics, let a proxy in front pass these paths, or unload with --when-busy force',
    noStatuses: 'it is not a llama-server in router mode (started without -m), or of an unknown build',
  },
};
