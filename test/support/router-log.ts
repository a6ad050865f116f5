import type { RealRouter } from './real-router.ts';

/** How often a router has started a process of each model so far, by its own log. */
export function loadsOf(router: Pick<RealRouter, 'log'>): Record<string, number> {
  return tally(router, /spawning server instance with name=(\S+) on port/g);
}

/** How often a process of each model has ended so far, for any reason. */
export function endsOf(router: Pick<RealRouter, 'log'>): Record<string, number> {
  return tally(router, /instance name=(\S+) exited with status/g);
}

function tally(router: Pick<RealRouter, 'log'>, pattern: RegExp): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const [, model = ''] of router.log().matchAll(pattern)) counts[model] = (counts[model] ?? 0) + 1;
  return counts;
}
