import type { ActivityLog } from '../activity/activity-log.ts';
import type { Scrape } from '../collectors/scrape.ts';
import type { ActiveConfig } from '../fleet/active-config.ts';
import type { Holds } from '../hold/holds.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { Loads } from '../load/loads.ts';
import type { Memory } from '../memory/memory.ts';
import type { LifecycleMetrics } from '../metrics/lifecycle-metrics.ts';
import type { Store } from '../models/store.ts';
import type { Operations } from '../unload/operations.ts';
import type { Auth } from './auth/auth.ts';

/** The objects that the routes work on. */
export interface AppParts {
  store: Store;
  operations: Operations;
  loads: Loads;
  holds: Holds;
  memory: Pick<Memory, 'reading' | 'fresh' | 'ofRouter'>;
  activeConfig: Pick<ActiveConfig, 'current' | 'reload'>;
  activityLog: ActivityLog;
  lifecycleMetrics: Pick<LifecycleMetrics, 'reported'>;
  /** Resolves when the state file is written, at once without one. */
  saveState(): Promise<void>;
  auth: Auth;
  /** By telemetry path, the main one first. */
  scrapes: ReadonlyMap<string, Scrape>;
  /** Whether every router has been listed once and the service is not shutting down. */
  isReady(): boolean;
  /** Aborts when the service shuts down. */
  closing: AbortSignal;
  clock: Clock;
  log: Logger;
  version: string;
}
