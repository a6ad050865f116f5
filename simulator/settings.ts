import { systemClock } from '../src/lib/clock.ts';
import type { SimulatorEvent } from './events.ts';
import type { ModelDescription } from './model-description.ts';

export const DEFAULT_SETTINGS = {
  /** The models folder. */
  models: [] as readonly ModelDescription[],
  /** How many models may have a process; 0: no limit. */
  modelsMax: 4,
  /** 0 or less: models never sleep. */
  sleepIdleSeconds: -1,
  /** How long a busy model is given before it is killed. */
  stopTimeoutSeconds: 10,
  /** How long an idle model takes to exit. */
  exitSeconds: 0.02,
  /** Requests a model serves at once. */
  slotsPerModel: 4,
  /** `--metrics`. */
  metrics: true,
  clock: systemClock,
  random: Math.random,
  /** Called with each event, before it is sent. */
  onChange: (_event: SimulatorEvent): void => {},
};

/** How a simulated router is started. */
export type RouterSettings = Readonly<typeof DEFAULT_SETTINGS>;
