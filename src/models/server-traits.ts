import type { Status } from './feed.ts';

/** What follows from the kind of a server, as data: only `backends/` knows the kinds. */
export interface ServerTraits {
  /** Its name, in texts and as the label `kind`. */
  readonly kind: string;
  /** The statuses that its models can have. */
  readonly statuses: readonly Status[];
  /**
   * `places`: a model is evicted only while as many as `--models-max` run. `rules`: any model that is loaded may evict
   * others, several at once, so that why one ended between two listings is unknown.
   */
  readonly evictsBy: 'places' | 'rules';
  /** How many unloads may be under way at once; 1 where an unload holds up requests to all other models. */
  readonly unloadsAtOnce: number;
  /** Whether it has an order to load a model; without one, a client's request loads it. */
  readonly loads: boolean;
  /** `asked`: a model's own metrics show its activity. `reported`: the event stream does. */
  readonly activity: 'asked' | 'reported';
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

/** Why this server loads no model on order, and what to do. */
export function whyNoLoad({ url, traits }: { url: string; traits: ServerTraits }): string {
  const { fact, remedy } = traits.remedies.noLoad;
  return `${url} ${fact}: ${remedy}`;
}

/** Those of llama.cpp's router. */
export const ROUTER_TRAITS: ServerTraits = {
  kind: 'llama-server',
  statuses: ['downloading', 'unloaded', 'loading', 'loaded', 'sleeping', 'other'],
  evictsBy: 'places',
  // Each is a process that ends.
  unloadsAtOnce: 8,
  loads: true,
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
