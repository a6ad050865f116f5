import { systemClock } from '../../src/lib/clock.ts';
import { type DescribedModel, describeModel, type ModelDescription } from '../model-description.ts';

const DEFAULT_MODEL = {
  /** Idle time after which it is unloaded; 0: never. */
  ttlSeconds: 0,
  unlisted: false,
  name: '',
  text: '',
  /** Where llama-swap finds it; undefined: at its own port on loopback. */
  proxy: undefined as string | undefined,
  /** Its process answers `/metrics`. */
  metrics: true,
  /** How long its process is given to stop when busy, before it is killed. */
  unloadTimeoutSeconds: 10,
};

/** A model of llama-swap's configuration. Only the id is required. */
export type SwapModelDescription = ModelDescription & Readonly<Partial<typeof DEFAULT_MODEL>>;

export type DescribedSwapModel = DescribedModel & Readonly<typeof DEFAULT_MODEL>;

export function describeSwapModel(given: SwapModelDescription): DescribedSwapModel {
  return { ...DEFAULT_MODEL, ...given, ...describeModel(given) };
}

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

export const DEFAULT_SWAP_SETTINGS = {
  models: [] as readonly SwapModelDescription[],
  /** By name. Models of no group take turns with each other and unload all other groups. */
  groups: {} as Readonly<Record<string, SwapGroup>>,
  /** Entries of `modelStatus` messages besides its own models. */
  remoteModels: [] as readonly object[],
  version: '250',
  /** Port of the first model; 0: free ports. */
  startPort: 0,
  /** How often a ttl is compared with the idle time. */
  ttlCheckSeconds: 1,
  /** How long an idle process takes to exit. */
  exitSeconds: 0.01,
  clock: systemClock,
  /** Called when a model changes, before the message is sent. */
  onChange: (): void => {},
};

/** llama-swap's configuration, and how fast things happen. */
export type SwapSettings = Readonly<typeof DEFAULT_SWAP_SETTINGS>;
