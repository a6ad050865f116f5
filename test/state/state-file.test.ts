import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { HOLDS } from '../../src/hold/holds.ts';
import { COUNTERS } from '../../src/metrics/registry.ts';
import { LAST_UNLOADS } from '../../src/models/store.ts';
import { createStateFile, type SavedState, type StateFile } from '../../src/state/state-file.ts';
import { aHold } from '../support/a-hold.ts';
import { anyText } from '../support/any-text.ts';
import { asNobody } from '../support/as-nobody.ts';
import { scratchFolder } from '../support/scratch-folder.ts';

let folder: string;
let path: string;
let file: StateFile;
beforeEach(() => {
  folder = scratchFolder();
  use(join(folder, 'state.json'));
});
afterEach(() => {
  chmodSync(folder, 0o700);
});

const PARTS = [COUNTERS, LAST_UNLOADS, HOLDS];

const aState = (given: Partial<SavedState> = {}): SavedState => ({
  version: 1,
  savedAt: 1_700_000_000_000,
  counters: [{ name: 'loads_total', labels: { router: 'r', model: 'über "q"\n🦙' }, value: 3 }],
  lastUnloads: [{ router: 'r', model: 'm', at: 1_700_000_000_000, reason: 'evicted' }],
  holds: [aHold(1_700_000_600_000)],
  ...given,
});
const text = JSON.stringify(aState());
const read = () => file.read();
const write = (state: SavedState) => file.write(state);
function use(given: string): void {
  path = given;
  file = createStateFile(path, PARTS);
}
const set = (content: string) => writeFileSync(path, content);

describe('the state', () => {
  it('reads back', async () => {
    expect(await write(aState())).toEqual({ ok: true, value: undefined });
    expect(read()).toEqual({ ok: true, value: aState() });
    expect(readdirSync(folder)).toEqual(['state.json']);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('reads back with any content', async () => {
    const words = anyText().map((word) => Buffer.from(word).toString());
    const counters = fc.array(
      fc.record({
        name: words,
        // Zod drops this key; Prometheus reserves such names.
        labels: fc.dictionary(
          words.filter((word) => word !== '__proto__'),
          words,
        ),
        value: fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
      }),
      { minLength: 50, maxLength: 100 },
    );
    await fc.assert(
      fc.asyncProperty(counters, async (all) => {
        await write(aState({ counters: all }));
        expect(read()).toEqual({ ok: true, value: aState({ counters: all }) });
      }),
      { numRuns: 3 }, // Every run waits for the disk.
    );
  });

  it('creates its folder', async () => {
    use(join(folder, 'a', 'b', 'state.json'));
    expect((await write(aState())).ok).toBe(true);
    expect(read()).toMatchObject({ ok: true, value: { savedAt: 1_700_000_000_000 } });
  });

  it('is undefined before the first write', () => {
    expect(read()).toEqual({ ok: true, value: undefined });
  });

  it('ignores and removes the partial file of a process that was killed', async () => {
    set(text);
    const partial = `${path}.partial-0a1b2c3d`;
    writeFileSync(partial, text.slice(0, 50));
    utimesSync(partial, 0, 0);
    expect(read()).toEqual({ ok: true, value: aState() });
    expect(readdirSync(folder)).toEqual(['state.json']);
  });

  it('leaves the partial file of a process alone that may be writing it', () => {
    writeFileSync(`${path}.partial-0a1b2c3d`, text.slice(0, 50));
    expect(read()).toEqual({ ok: true, value: undefined });
    expect(readdirSync(folder)).toHaveLength(1);
  });

  it('may lack parts that a later version added', () => {
    const { holds, ...before } = aState();
    set(JSON.stringify(before));
    expect(read()).toEqual({ ok: true, value: before });
  });

  it('may have unknown parts of a later version', () => {
    set(JSON.stringify({ ...aState(), moods: [] }));
    expect(read()).toEqual({ ok: true, value: aState() });
  });
});

describe('two exporters with one file', () => {
  const written = { ok: true, value: undefined };
  const left = {
    ok: false,
    fault: expect.stringContaining(
      ': give each exporter its own state.file. This one saves nothing until the other ends',
    ),
  };

  it('do not overwrite each other: the later one saves as soon as the file stays unchanged', async () => {
    const later = createStateFile(path, PARTS);
    later.read();
    expect(await write(aState({ savedAt: 1 }))).toEqual(written);
    expect(await later.write(aState({ savedAt: 22 }))).toEqual(left);
    expect(await write(aState({ savedAt: 333 }))).toEqual(written);
    expect(await later.write(aState({ savedAt: 22 }))).toEqual(left);
    expect(read()).toMatchObject({ value: { savedAt: 333 } });
    expect(await later.write(aState({ savedAt: 22 }))).toEqual(written);
    expect(read()).toMatchObject({ value: { savedAt: 22 } });
  });

  it('that write at the same moment leave a whole file', async () => {
    const other = createStateFile(path, PARTS);
    const long = aState({
      lastUnloads: Array.from({ length: 2000 }, (_, at) => ({
        router: 'r',
        model: 'm',
        at,
        reason: 'evicted',
      })),
    });
    for (let round = 0; round < 5; round += 1) {
      await Promise.all([write(aState()), other.write(long)]);
      expect(createStateFile(path, PARTS).read()).toMatchObject({
        ok: true,
        value: { savedAt: 1_700_000_000_000 },
      });
    }
    expect(readdirSync(folder)).toEqual(['state.json']);
  });
});

describe('a damaged file is renamed, unchanged', () => {
  it.each<[string, string]>([
    ['empty', ''],
    ['half', text.slice(0, 60)],
    ['no JSON', 'counters: none\n'],
    ['null', 'null'],
    ['a list', '[]'],
    ['of another version', JSON.stringify({ ...aState(), version: 2 })],
    ['of no version', '{"savedAt":1,"counters":[],"lastUnloads":[]}'],
    ['with a counter below 0', text.replace('"value":3', '"value":-3')],
    ['with an infinite counter', text.replace('"value":3', '"value":1e999')],
    ['with a label that is no text', text.replace('"router":"r"', '"router":7')],
    ['with an unknown reason', text.replace('evicted', 'bored')],
    ['saved at an invalid time', JSON.stringify(aState({ savedAt: 1e20 }))],
    ['with an unload at an invalid time', text.replace('"at":1700000000000', '"at":1e300')],
    ['with a hold until an invalid time', text.replace('1700000600000', '1e300')],
    ['of bytes', '\u0000\u0001\ufffd'],
  ])('%s', (_, content) => {
    set(content);
    const result = read();
    const [aside = ''] = readdirSync(folder);
    expect(aside).toMatch(/^state\.json\.damaged-\d{4}-\d\d-\d\dT[\d-]+Z$/);
    expect(result).toEqual({
      ok: false,
      fault: `${path} is damaged or of another version: renamed to ${join(folder, aside)}; counters start at 0`,
    });
    expect(readFileSync(join(folder, aside), 'utf8')).toBe(content);
    expect(read()).toEqual({ ok: true, value: undefined });
  });
});

describe('an unusable path is reported, not thrown', () => {
  it('a folder', async () => {
    mkdirSync(path);
    expect(read()).toEqual({
      ok: false,
      fault: `cannot read ${path} (EISDIR): counters start at 0; check its owner and mode`,
    });
    expect(await write(aState())).toEqual({
      ok: false,
      fault: `cannot write ${path} (EISDIR): counters start at 0 after a restart; check its owner and mode`,
    });
    expect(readdirSync(folder)).toEqual(['state.json']);
  });

  it('a file instead of its folder', async () => {
    set(text);
    use(join(path, 'state.json'));
    expect(read()).toEqual({
      ok: false,
      fault: `cannot read ${path} (ENOTDIR): counters start at 0; check its owner and mode`,
    });
    expect(await write(aState())).toMatchObject({
      ok: false,
      fault: expect.stringMatching(/^cannot write .* \((ENOTDIR|EEXIST)\)/),
    });
  });

  it('a folder without write permission', async () => {
    set('damaged');
    chmodSync(path, 0o444);
    chmodSync(folder, 0o555);
    await asNobody(async () => {
      expect(read()).toEqual({
        ok: false,
        fault: `${path} is damaged and cannot be renamed (EACCES): counters start at 0`,
      });
      expect(await write(aState())).toEqual({
        ok: false,
        fault: `cannot write ${path} (EACCES): counters start at 0 after a restart; check its owner and mode`,
      });
    });
  });
});
