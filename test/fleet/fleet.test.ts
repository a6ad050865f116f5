import { expect, it } from '@jest/globals';
import { loadConfig } from '../../src/config/load.ts';
import { createFleet } from '../../src/fleet/fleet.ts';
import { systemClock } from '../../src/lib/clock.ts';

it('gives its readings another version when a router comes or goes', async () => {
  const fleet = createFleet(systemClock, { readEngine: true });
  const versions = new Set([fleet.engine.version()]);
  for (const router of [
    ['http://127.0.0.1:1', 'http://127.0.0.1:2'],
    ['http://127.0.0.1:2'],
    ['http://127.0.0.1:1'],
  ]) {
    await fleet.apply(loadConfig({ env: {}, flags: { router } }));
    versions.add(fleet.engine.version());
  }
  await fleet.stop();
  versions.add(fleet.engine.version());
  expect(versions.size).toBe(5);
});
