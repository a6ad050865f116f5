import { fuzz } from './abuse/fuzz.mjs';
import { load } from './abuse/load.mjs';
import { slow } from './abuse/slow.mjs';
import { startVictim } from './abuse/victim.mjs';
import { showPromises } from './support/figures.mjs';
import { readFlags } from './support/flags.mjs';

export const usage = `abuse: more requests, stranger requests and slower clients than any real setup has. Linux only. Exits with 1 when a
promise is broken:
- load: no scrape and no notification fails or takes 10 s;
- fuzz: no crash, no error 5xx that the OpenAPI document does not have, no growing memory, no descriptor left open. Without a
  token, with a wrong one and with one for dry runs, no order reaches the router, and no hold stands;
- slow: while thousands of connections are held open, scrapes are answered, their median within 20 times that of before
  (or 500 ms), and the descriptors are closed afterwards.
  --part all            load, fuzz, slow or all
  --seconds 60          of load
  --scrapes 200         per second
  --notifications 50    per second
  --requests 1000000    of fuzz
  --seed 1              of their generator
  --connections 10000   of slow
  --hold 40             seconds for which they are held open`;

const PARTS = { load, fuzz, slow };

/** @typedef {{ seconds: number, scrapes: number, notifications: number, requests: number, seed: number, connections: number, hold: number }} Flags */

/** @param {readonly string[]} args */
export async function run(args) {
  const flags = readFlags(args, {
    part: 'all',
    seconds: 60,
    scrapes: 200,
    notifications: 50,
    requests: 1_000_000,
    seed: 1,
    connections: 10_000,
    hold: 40,
  });
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
