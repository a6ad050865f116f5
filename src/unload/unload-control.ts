import type { RouterControl } from '../fleet/router-control.ts';
import type { MemoryReading } from './plan.ts';

/** A router to unload on, with the measured memory its models share. */
export interface UnloadControl extends RouterControl {
  /**
   * Measures the memory that the router's models share; undefined where nothing does. `briefly` takes the last
   * reading where a new one is long in coming; `patiently` waits for a new one.
   */
  memory?(how: 'briefly' | 'patiently'): Promise<MemoryReading | undefined>;
}
