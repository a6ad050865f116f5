import { fuzz } from './abuse/fuzz.mjs';
import { load } from './abuse/load.mjs';
import { slow } from './abuse/slow.mjs';
import { startVictim } from './abuse/victim.mjs';
import { showPromises } from './support/figures.mjs';
import { flag } from './support/flags.mjs';

export const usage = `abuse: more requests, stranger requests and slower clients than any real setup has. Linux only. Exits with 1 when a
promise is broken:
- load: no scrape and no notification fails or takes 10 s;
- fuzz: no crash, no error 5xx that the OpenAPI document does not have, no growing memory, no descriptor left open. Without a
  token, with a wrong one and with one for dry runs, no order reaches the router, and no hold stands;
- slow: while thousands of connections are held open, scrapes are answered, their median within 20 times that of before
  (or 500 ms), and the descriptors are closed afterwards.`;

export const flags = {
  part: flag('all', 'load, fuzz, slow or all'),
  seconds: flag(60, 'of load'),
  scrapes: flag(200, 'per second'),
  notifications: flag(50, 'per second'),
  requests: flag(1_000_000, 'of fuzz'),
  seed: flag(1, 'of their generator'),
  connections: flag(10_000, 'of slow'),
  hold: flag(40, 'seconds for which they are held open'),
};

/** @typedef {import('./support/flags.mjs').ValuesOf<typeof flags>} Flags */

const PARTS = { load, fuzz, slow };

/** @param {Flags} flags */
export async function run(flags) {
  if (flags.part !== 'all' && !Object.hasOwn(PARTS, flags.part)) throw new Error(`no part '${flags.part}'`);
  for (const [name, part] of Object.entries(PARTS)) {
    if (flags.part !== 'all' && flags.part !== name) continue;
    const victim = await startVictim();
    try {
      const startedAt = performance.now();
      const findings = [...(await part(victim, flags)), ...(await victim.health())];
      console.log(`\n${name}, ${((performance.now() - startedAt) / 1000).toFixed(0)} s:`);
      showPromises(findings);
    } finally {
      await victim.stop();
    }
  }
}
