import { type Clock, systemClock } from '../src/lib/clock.ts';
import type { SimulatorEvent } from './events.ts';
import type { ModelDescription } from './model-description.ts';

/** How a simulated router is started. */
export interface RouterSettings {
  /** The models folder. */
  readonly models: readonly ModelDescription[];
  /** How many models may have a process; 0: no limit. */
  readonly modelsMax: number;
  /** 0 or less: models never sleep. */
  readonly sleepIdleSeconds: number;
  /** How long a busy model is given before it is killed. */
  readonly stopTimeoutSeconds: number;
  /** How long an idle model takes to exit. */
  readonly exitSeconds: number;
  /** Requests a model serves at once. */
  readonly slotsPerModel: number;
  /** `--metrics`. */
  readonly metrics: boolean;
  readonly clock: Clock;
  readonly random: () => number;
  /** Called with each event, before it is sent. */
  readonly onChange: (event: SimulatorEvent) => void;
}

export const DEFAULT_SETTINGS: RouterSettings = {
  models: [],
  modelsMax: 4,
  sleepIdleSeconds: -1,
  stopTimeoutSeconds: 10,
  exitSeconds: 0.02,
  slotsPerModel: 4,
  metrics: true,
  clock: systemClock,
  random: Math.random,
  onChange: () => {},
};
