import { type Clock, systemClock } from '../../src/lib/clock.ts';
import { type DescribedModel, describeModel, fileOf, type ModelDescription } from '../model-description.ts';

/** A model of llama-swap's configuration. Only the id is required. */
export interface SwapModelDescription extends ModelDescription {
  /** Idle time after which it is unloaded; 0, the default: never. */
  readonly ttlSeconds?: number;
  readonly unlisted?: boolean;
  readonly name?: string;
  readonly text?: string;
  /** Default: llama-server without `--alias`. `${PORT}` is its port. */
  readonly command?: string;
  /** Where llama-swap finds it. Default: its own port on loopback. */
  readonly proxy?: string;
  /** Its process answers `/metrics`. Default true. */
  readonly metrics?: boolean;
  /** How long its process is given to stop when busy, before it is killed. Default 10. */
  readonly unloadTimeoutSeconds?: number;
}

export type DescribedSwapModel = Required<Omit<SwapModelDescription, 'proxy'>> &
  DescribedModel & { readonly proxy: string | undefined };

export interface SwapGroup {
  readonly members: readonly string[];
  /** Its models take turns. Default true. */
  readonly swap?: boolean;
  /** Loading one of its models unloads other groups. Default true. */
  readonly exclusive?: boolean;
  /** Other groups do not unload it. Default false. */
  readonly persistent?: boolean;
}

/** Requests that a model serves at once. */
export const SLOTS = 4;

/** llama-swap's configuration, and how fast things happen. */
export interface SwapSettings {
  readonly models: readonly SwapModelDescription[];
  /** By name. Models of no group take turns with each other and unload all other groups. */
  readonly groups: Readonly<Record<string, SwapGroup>>;
  /** Entries of `modelStatus` messages besides its own models. */
  readonly remoteModels: readonly object[];
  readonly version: string;
  /** Port of the first model; 0, the default: free ports. */
  readonly startPort: number;
  /** How often a ttl is compared with the idle time. */
  readonly ttlCheckSeconds: number;
  /** How long an idle process takes to exit. */
  readonly exitSeconds: number;
  readonly clock: Clock;
  /** Called when a model changes, before the message is sent. */
  readonly onChange: () => void;
}

export const DEFAULT_SWAP_SETTINGS: SwapSettings = {
  models: [],
  groups: {},
  remoteModels: [],
  version: '250',
  startPort: 0,
  ttlCheckSeconds: 1,
  exitSeconds: 0.01,
  clock: systemClock,
  onChange: () => {},
};

export function describeSwapModel(given: SwapModelDescription): DescribedSwapModel {
  const model = describeModel(given);
  return {
    ttlSeconds: 0,
    unlisted: false,
    name: '',
    text: '',
    command: `/usr/bin/llama-server --host 127.0.0.1 --port \${PORT} -c ${model.contextTokens} --metrics -m ${fileOf(model)}`,
    metrics: true,
    unloadTimeoutSeconds: 10,
    ...given,
    ...model,
    proxy: given.proxy,
  };
}
