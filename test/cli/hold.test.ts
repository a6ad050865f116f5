import { hostname, userInfo } from 'node:os';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { runProgram } from '../support/run-program.ts';
import { createTestRouter, type TestRouter } from '../support/simulator/test-router.ts';

const ME = `${userInfo().username}@${hostname()}`;

let router: TestRouter;
let exporter: RunningExporter;
beforeAll(async () => {
  router = createTestRouter({ models: [{ id: 'chat', loadSeconds: 0.02 }], exitSeconds: 0.01 });
  const { url } = await router.listen();
  exporter = await startExporter([url]);
});
afterAll(async () => {
  await exporter.stop();
  await router.stop();
});
afterEach(() => run('release', '--all'));

const run = (...args: string[]) => runProgram(...args, '--exporter', exporter.url);

const host = () => new URL(router.url).host;

async function holds(): Promise<{ id: string; holder: string }[]> {
  return ((await (await fetch(`${exporter.url}/api/v1/holds`)).json()) as { holds: never[] }).holds;
}

/** Seconds from now until the end of the only hold. */
async function left(): Promise<number> {
  const [hold] = (await holds()) as unknown as [{ until: string }];
  return (Date.parse(hold.until) - Date.now()) / 1000;
}

describe('hold', () => {
  it('unloads, and prints the hold when memory is free', async () => {
    await router.load('chat');
    await exporter.untilValue('llama_router_model_status', { model: 'chat', status: 'loaded' }, 1);
    const { code, out, err } = await run('hold', '--for', '10m', '--unload', 'all', '--reason', 'a game');
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(
      new RegExp(
        `^[0-9a-f-]{36}  active  ${host()} until .*\\d\\d:\\d\\d UTC for a game \\(requested by ${ME}\\)\n$`,
      ),
    );
    await exporter.untilValue('llama_router_model_status', { model: 'chat', status: 'loaded' }, 0);
    expect(await left()).toBeGreaterThan(590);
  });

  it('passes its flags on', async () => {
    const flags = ['--restore', '--enforce', '--holder', 'job 7', '--router', host(), '--when-busy', 'skip'];
    const { out } = await run('hold', '--for', '10m', ...flags, '--output', 'json');
    expect(JSON.parse(out)).toMatchObject({
      holder: 'job 7',
      routers: [host()],
      restore: true,
      enforce: true,
      when_busy: 'skip',
      state: 'active',
    });
  });

  it('prints the id alone for scripts, and takes a time', async () => {
    const until = new Date(Date.now() + 90_000).toISOString();
    const { code, out } = await run('hold', '--until', until, '--output', 'id');
    expect([code, out]).toEqual([0, `${(await holds())[0]?.id}\n`]);
    expect(await left()).toBeGreaterThan(80);
  });

  it('exits with 1 and says why when memory cannot be freed', async () => {
    await router.load('chat');
    await exporter.untilValue('llama_router_model_status', { model: 'chat', status: 'loaded' }, 1);
    const ended = router.request('chat', { seconds: 0.5 });
    const early = await run('hold', '--for', '10m', '--unload', 'all', '--wait', '50ms');
    expect([early.code, early.out, early.err]).toEqual([
      1,
      expect.stringContaining('  preparing  '),
      expect.stringContaining('memory is not free yet; the exporter continues'),
    ]);
    await ended;
  });

  it('returns at once with --wait 0', async () => {
    expect((await run('hold', '--for', '10m', '--unload', 'all', '--wait', '0')).code).toBe(0);
  });

  it.each<[string[], string]>([
    [[], 'hold needs either --for DURATION or --until TIME'],
    [['--for', '1h', '--until', '2026-08-14T14:05:00Z'], 'hold needs either --for'],
    [['--until', 'noon'], "--until must be a time such as 2026-08-14T14:05:00Z, not 'noon'"],
    [['--for', 'long'], "--for must be a duration such as 30s, not 'long'"],
    [['--for', '1h', '--need', 'much'], "--need must be a size such as 12G, 12GiB or 500MB, not 'much'"],
    [['--for', '1h', '--unload', 'some'], "--unload must be one of none, enough, all, not 'some'"],
    [['--for', '1h', '--router', 'attic'], 'No router is named attic'],
    [['--for', '1h', '--need', '1M'], 'is not measured here, which need_bytes requires'],
    [['--for', '400d'], 'A hold may last'],
  ])('%j is rejected', async (args, message) => {
    const { code, err } = await run('hold', ...args);
    expect([code, err, await holds()]).toEqual([2, expect.stringContaining(message), []]);
  });

  it('exits with 3 without an exporter', async () => {
    const { code, err } = await runProgram('hold', '--for', '1h', '--exporter', 'http://127.0.0.1:9');
    expect([code, err]).toEqual([3, expect.stringContaining('http://127.0.0.1:9 cannot be reached')]);
  });
});

describe('release', () => {
  const place = async (...flags: string[]) =>
    (await run('hold', '--for', '10m', '--output', 'id', ...flags)).out.trim();

  it('ends the named holds, and only these', async () => {
    const ids = [await place(), await place(), await place()];
    const { code, out } = await run('release', ids[0] ?? '', ids[2] ?? '');
    expect([code, out]).toEqual([
      0,
      `released  ${ids[0]}  ${host()} (requested by ${ME})\nreleased  ${ids[2]}  ${host()} (requested by ${ME})\n`,
    ]);
    expect((await holds()).map(({ id }) => id)).toEqual([ids[1]]);
  });

  it('ends the holds of one holder', async () => {
    await place('--holder', 'gamemode');
    const mine = await place();
    await run('release', '--mine', '--holder', 'gamemode');
    expect((await holds()).map(({ id }) => id)).toEqual([mine]);
    await run('release', '--mine');
    expect(await holds()).toEqual([]);
  });

  it('reports that no hold stands', async () => {
    expect(await run('release', '--all')).toEqual({ code: 0, out: 'No hold stands.\n', err: '' });
  });

  it('ends the others when one is unknown', async () => {
    const id = await place();
    const { code, err } = await run('release', 'no-such-hold', id);
    expect([code, err, await holds()]).toEqual([
      2,
      expect.stringMatching(/^no-such-hold: .*does not exist/),
      [],
    ]);
  });

  it.each<[string[]]>([[[]], [['x', '--all']], [['--mine', '--all']]])('%j is rejected', async (args) => {
    const { code, err } = await run('release', ...args);
    expect([code, err]).toEqual([2, expect.stringContaining('release needs one of: ID…, --mine, --all')]);
  });
});

describe('run', () => {
  it.each<[string[], string]>([
    [[], 'run needs a command: run -- COMMAND'],
    [['--need', '12X', '--', 'true'], "--need must be a size such as 12G, 12GiB or 500MB, not '12X'"],
    [['--nede', '1G', '--', 'true'], 'unknown flag --nede: did you mean --need?'],
    [['--need', '1M', '--', 'true'], 'is not measured here'],
    [['--router', 'attic', 'true'], 'No router is named attic.'],
    [['--direct', '--restore', 'true'], '--restore needs an exporter: leave it or --direct out'],
  ])('%j ends with 125, so that it is not taken for the exit code of the command', async (args, message) => {
    process.env.LLAMA_ROUTER_EXPORTER_URL = exporter.url;
    const { code, err } = await runProgram('run', ...args);
    delete process.env.LLAMA_ROUTER_EXPORTER_URL;
    expect(err).not.toContain('..');
    expect([code, err, await holds()]).toEqual([125, expect.stringContaining(message), []]);
  });

  it('leaves the flags of the command alone', async () => {
    process.env.LLAMA_ROUTER_EXPORTER_URL = exporter.url;
    const first = await runProgram('run', '--unload', 'none', 'sh', '-c', 'exit $1', '--help', '3');
    const second = await runProgram('run', '--', 'sh', '-c', 'exit $#', '--', '--', '--need', '--help');
    delete process.env.LLAMA_ROUTER_EXPORTER_URL;
    expect([first.code, second.code]).toEqual([3, 3]);
  });
});
