import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { debianMirror } from '../../tools/install-real-servers/debian-mirror.mjs';
import { empty } from '../support/orders.ts';
import { isAlive } from '../support/process-table.ts';
import { complete, type RealRouter, startRealRouter } from '../support/real-router.ts';
import { scratchFolder } from '../support/scratch-folder.ts';

describe('a real router', () => {
  let router: RealRouter;
  beforeAll(async () => {
    router = await startRealRouter({ modelsMax: 2 });
  });
  afterAll(() => router?.stop());

  /** The value of an option in the listed command line of a model. */
  const listed = async (model: string, option: string): Promise<string> => {
    const { data } = (await (await fetch(`${router.url}/models`)).json()) as {
      data: { id: string; status: { args: string[] } }[];
    };
    const args = data.find(({ id }) => id === model)?.status.args ?? [];
    return args[args.indexOf(option) + 1] ?? '';
  };

  test('gives a model a new port at every load, and keeps listing the last one', async () => {
    expect(await listed('tiny-c', '--port')).toBe('0');
    await complete(router, 'tiny-c', { tokens: 1 });
    const first = await listed('tiny-c', '--port');
    await empty(router);
    expect(await listed('tiny-c', '--port')).toBe(first);
    await complete(router, 'tiny-c', { tokens: 1 });
    expect(await listed('tiny-c', '--port')).not.toBe(first);
  });

  test('leaves no process and no file behind when stopped', async () => {
    await complete(router, 'tiny-a', { tokens: 1 });
    const file = await listed('tiny-a', '--model');
    expect(existsSync(file)).toBe(true);
    const pids = [router.pid, router.childPid('tiny-a') ?? 0];
    expect(pids.map(isAlive)).toEqual([true, true]);
    await router.stop();
    await router.stop();
    expect(pids.map(isAlive)).toEqual([false, false]);
    expect(existsSync(file)).toBe(false);
    expect(router.log()).toContain('listening on');
  });
});

test('a router that cannot start is reported with its output', async () => {
  await expect(startRealRouter({ models: [], args: ['--no-such-argument'] })).rejects.toThrow(
    'invalid argument: --no-such-argument',
  );
});

describe('the Debian archive to install from', () => {
  let etc: string;
  beforeEach(() => {
    etc = scratchFolder();
    mkdirSync(join(etc, 'apt/sources.list.d'), { recursive: true });
    writeFileSync(join(etc, 'os-release'), 'ID=debian\nVERSION_CODENAME=bookworm\n');
  });
  const source = (name: string, text: string) => writeFileSync(join(etc, 'apt', name), text);

  test('offers this release, in one-line sources', () => {
    source(
      'sources.list',
      'deb-src http://src.example/debian bookworm main\n#deb http://off.example/debian bookworm main\n',
    );
    source('sources.list.d/a.list', 'deb http://node.example bookworm main\ndeb http://flat.example ./\n');
    source(
      'sources.list.d/b.list',
      'deb [arch=amd64 trusted=yes] http://our.example/debian bookworm main contrib # ours\n' +
        'deb http://our.example/debian bookworm-updates main\n',
    );
    expect(debianMirror(etc, '')).toBe('http://our.example/debian');
  });

  test('offers this release, in deb822 sources', () => {
    source(
      'sources.list.d/debian.sources',
      'Types: deb\nURIs: http://our.example/debian-security\nSuites: bookworm-security\nComponents: main\n\n' +
        'Types: deb\nEnabled: no\nURIs: http://off.example/debian\nSuites: bookworm\nComponents: main\n\n' +
        '# ours\nTypes: deb deb-src\nURIs: http://our.example/debian\nSuites: bookworm\n bookworm-updates\nComponents: main\n',
    );
    expect(debianMirror(etc, '')).toBe('http://our.example/debian');
  });

  test('is read from the mirror list of a cloud image', () => {
    source('mirrors.list', 'http://near.example/debian\nhttp://far.example/debian\n');
    source('sources.list', `deb mirror+file://${etc}/apt/mirrors.list bookworm main`);
    expect(debianMirror(etc, '')).toBe('http://near.example/debian');
  });

  test('can be set, and is required where apt names none', () => {
    source('sources.list', 'deb http://ubuntu.example/ubuntu noble main');
    expect(debianMirror(etc, 'http://set.example/debian')).toBe('http://set.example/debian');
    expect(() => debianMirror(etc, '')).toThrow('Set DEBIAN_MIRROR');
  });
});
