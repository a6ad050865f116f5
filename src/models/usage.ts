import type { Clock } from '../lib/clock.ts';
import type { Cause, ReportedCause } from './cause.ts';
import { modelNamed } from './matching.ts';
import type { Store } from './store.ts';

/** A request that is about to go to a router. */
export interface Report {
  /** Absent: whichever router has the model. */
  readonly router?: string | undefined;
  /** Its id or an alias. */
  readonly model: string;
  readonly cause: ReportedCause;
}

/** A model that somebody is about to ask for. */
export interface Asked {
  readonly router: string;
  readonly model: string;
}

/** A load that ended now, after an unload. Seconds. */
export interface Reload {
  readonly router: string;
  readonly model: string;
  readonly durationSeconds?: number | undefined;
  readonly sinceUnloadSeconds: number;
}

/** Remembers who asked for which model, for as long as a load may be on its account. */
export interface Usage {
  /** The models that this may be about; none: it is about nothing that is here, and forgotten. */
  report(report: Report): readonly Asked[];
  causeOf(reload: Reload): Cause;
}

/** More than a fleet of people asks for between a request and the end of its load. */
const MOST = 1000;
/** A report comes before its request: Open WebUI may search the web in between. */
const EARLY_MS = 60_000;
/** It may overtake the news of an unload, which it did not cause to be undone. */
const SLACK_MS = 1000;

interface Remembered extends Asked {
  readonly cause: Cause;
  readonly at: number;
}

export function createUsage(store: Store, clock: Clock): Usage {
  /** The oldest first. */
  const remembered: Remembered[] = [];
  return {
    report({ router, model, cause }) {
      const at = clock.now();
      const asked = store.routers().flatMap((state): Asked[] => {
        if (router !== undefined && state.name !== router) return [];
        const named = modelNamed(state.models, model);
        return named ? [{ router: state.name, model: named.id }] : [];
      });
      for (const each of asked) remembered.push({ ...each, cause, at });
      if (remembered.length > MOST) remembered.splice(0, remembered.length - MOST);
      return asked;
    },
    causeOf({ router, model, durationSeconds = 0, sinceUnloadSeconds }) {
      const now = clock.now();
      const unloadedAt = now - sinceUnloadSeconds * 1000;
      const since = Math.max(unloadedAt - SLACK_MS, now - durationSeconds * 1000 - EARLY_MS);
      // The first after the unload is the one that it was loaded for; others have waited with it.
      const first = remembered.find(
        (each) => each.at >= since && each.router === router && each.model === model,
      );
      return first?.cause ?? 'unknown';
    },
  };
}
