import { symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { loadConfig } from '../../../src/config/load.ts';
import type { Config, DiscoveryConfig } from '../../../src/config/schema.ts';
import {
  createDiscovery,
  type Discovery,
  type DiscoveryChange,
} from '../../../src/fleet/discovery/discovery.ts';
import type { NameResolver } from '../../../src/fleet/discovery/sources.ts';
import { failed, ok } from '../../../src/lib/result.ts';
import { aGroup } from '../../support/a-group.ts';
import { scratchFolder } from '../../support/scratch-folder.ts';
import { createSteppedClock, type SteppedClock } from '../../support/stepped-clock.ts';
import { until } from '../../support/until.ts';

let folder: string;
let clock: SteppedClock;
let discovery: Discovery;
let changes: DiscoveryChange[];
/** DNS by name: addresses, a fault, or no answer at all. */
let zone: Map<string, string[] | 'SERVFAIL' | 'silence'>;

beforeEach(() => {
  folder = scratchFolder();
  clock = createSteppedClock();
  zone = new Map();
  changes = [];
});

afterEach(() => {
  discovery.stop();
  expect(clock.pending()).toBe(0);
});

const names = (): NameResolver => ({
  async addresses(name) {
    const answer = zone.get(name) ?? [];
    if (answer === 'silence') return new Promise(() => {});
    return answer === 'SERVFAIL' ? failed(`no records of ${name}`) : ok(answer);
  },
  stop() {},
});

const configOf = (...groups: Partial<DiscoveryConfig>[]): Config => ({
  ...loadConfig({ env: {}, flags: {} }),
  routers: [],
  discovery: groups.map(aGroup),
});

/** Follows a configuration; the files are real, so the first lookup takes real time. */
async function follow(config: Config): Promise<void> {
  let done = false;
  void discovery.follow(config).then(() => (done = true));
  await until('the first lookup', () => done, { everyMs: 1 });
}

async function start(...groups: Partial<DiscoveryConfig>[]): Promise<void> {
  const config = configOf(...groups);
  discovery = createDiscovery(config, clock, names);
  discovery.onChange((each) => changes.push(each));
  await follow(config);
}

/** Waits for the next lookup, which reads real files. */
async function nextLookup(ms = 10_000): Promise<void> {
  const timers = clock.pending();
  await clock.advance(ms);
  await until('a lookup', () => clock.pending() === timers, { everyMs: 1 });
}

const write = (name: string, ...targets: string[]) =>
  writeFileSync(join(folder, name), JSON.stringify([{ targets }]));

const followed = () => discovery.current.routers.map(({ name }) => name);

describe('files', () => {
  beforeEach(async () => {
    write('a.json', 'one:1', 'two:2');
    write('b.json', 'three:3');
    write('other.txt', 'wrong:1');
    await start({ files: [join(folder, '*.json')] });
  });

  it('are read at once, and again when they change', async () => {
    expect(followed()).toEqual(['one:1', 'two:2', 'three:3']);
    write('a.json', 'two:2', 'four:4');
    await nextLookup();
    expect(followed()).toEqual(['two:2', 'four:4', 'three:3']);
    expect(changes.map(({ state, changed }) => [state.found, changed])).toEqual([
      [3, true],
      [3, true],
    ]);
  });

  it('that are added or deleted add or remove their routers', async () => {
    unlinkSync(join(folder, 'a.json'));
    // As Kubernetes mounts a ConfigMap.
    symlinkSync(join(folder, 'other.txt'), join(folder, 'c.json'));
    await nextLookup();
    expect(followed()).toEqual(['three:3', 'wrong:1']);
  });

  it('that are invalid keep their last routers and are reported', async () => {
    writeFileSync(join(folder, 'a.json'), '[{"targets": ["on');
    write('b.json');
    await nextLookup();
    expect(followed()).toEqual(['one:1', 'two:2']);
    const [state] = discovery.groups();
    expect(state?.faults).toEqual([expect.stringContaining('a.json 1:18: not valid YAML')]);
    expect(state?.succeededAt).toBe(clock.now() - 10_000);
    write('a.json', 'one:1');
    await nextLookup();
    expect(followed()).toEqual(['one:1']);
    expect(discovery.groups()[0]).toMatchObject({ faults: [], succeededAt: clock.now() });
  });

  it('without a change are no change', async () => {
    changes = [];
    write('a.json', 'one:1', 'two:2');
    await nextLookup();
    expect(changes).toEqual([]);
  });
});

describe('names', () => {
  it('are resolved at every interval; a name that is gone has no routers', async () => {
    zone.set('a', ['one:1']).set('b', ['two:2']);
    await start({ dns: ['a', 'b'], interval: 30 });
    expect(followed()).toEqual(['one:1', 'two:2']);
    zone.delete('a');
    await clock.advance(29_999);
    expect(followed()).toEqual(['one:1', 'two:2']);
    await nextLookup(1);
    expect(followed()).toEqual(['two:2']);
  });

  it('that cannot be resolved keep their last routers', async () => {
    zone.set('a', ['one:1']).set('b', ['two:2']);
    await start({ dns: ['a', 'b'] });
    zone.set('a', 'SERVFAIL').set('b', ['three:3']);
    await nextLookup();
    expect(followed()).toEqual(['one:1', 'three:3']);
    expect(discovery.groups()[0]?.faults).toEqual(['no records of a']);
  });

  it('without an answer delay a start by seconds only', async () => {
    zone.set('a', 'silence').set('b', ['two:2']);
    const config = configOf({ name: 'one', dns: ['a'] }, { name: 'other', dns: ['b'] });
    discovery = createDiscovery(config, clock, names);
    let done = false;
    void discovery.follow(config).then(() => (done = true));
    await clock.advance(5999);
    expect(done).toBe(false);
    await clock.advance(1);
    expect(done).toBe(true);
    expect(followed()).toEqual(['two:2']);
    expect(discovery.groups().map(({ group }) => group)).toEqual(['other']);
  });
});

it('follows at most max_routers, with a fault', async () => {
  zone.set('a', ['one:1', 'two:2', 'three:3']);
  await start({ dns: ['a'], max_routers: 2 });
  expect(followed()).toEqual(['one:1', 'two:2']);
  expect(discovery.groups()[0]?.faults).toEqual([
    '3 routers are more than max_routers, 2: raise it if they are intended',
  ]);
});

describe('another configuration', () => {
  it('stops groups that are gone and keeps unchanged ones', async () => {
    zone.set('a', ['one:1']).set('b', ['two:2']);
    await start({ name: 'one', dns: ['a'] }, { name: 'other', dns: ['b'] });
    zone.set('b', 'silence'); // It is not asked again: it need not answer.
    await follow(configOf({ name: 'other', dns: ['b'] }));
    expect(followed()).toEqual(['two:2']);
  });

  it('gives routers a changed key at once', async () => {
    zone.set('a', ['one:1']);
    await start({ dns: ['a'] });
    await follow(configOf({ dns: ['a'], keep: ['x'] }));
    expect(discovery.current.routers).toMatchObject([{ name: 'one:1', keep: ['x'] }]);
  });
});
