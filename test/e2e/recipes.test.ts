import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { loadConfig } from '../../src/config/load.ts';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { holdsOf } from '../support/holds-of.ts';
import { order, statusesOf, untilItHears } from '../support/orders.ts';
import { type RealRouter, startRealRouter } from '../support/real-router.ts';
import { runRooted } from '../support/rooted-process.ts';
import { makeRunFolder } from '../support/run-folder.ts';
import { substitute } from '../support/substitute.ts';
import { until } from '../support/until.ts';
import { yamlBlocks } from '../support/yaml-blocks.ts';

const CHECKOUT = join(import.meta.dirname, '..', '..');
const RECIPES = join(CHECKOUT, 'deploy', 'recipes');
const UNITS = join(CHECKOUT, 'deploy', 'systemd');
const UNIT_NAMES = readdirSync(UNITS).filter((name) => /\.(service|timer)$/.test(name));
const BEFORE_SUSPEND = join(RECIPES, 'llama-unload-before-suspend');
const PAGE = readFileSync(join(CHECKOUT, 'docs', 'recipes.md'), 'utf8');
const TOKEN = 'the-token-of-the-recipes';
const INSTALLED = '/usr/local/bin/llama-router-exporter';

let router: RealRouter;
let exporter: RunningExporter;
let folder: string;

beforeAll(async () => {
  router = await startRealRouter({ models: ['tiny-a', 'tiny-b', 'embed-small'] });
  exporter = await startExporter([router.url], {}, { LLAMA_ROUTER_EXPORTER_TOKEN: TOKEN });
  folder = makeRunFolder('recipes');
  writeFileSync(join(folder, 'token'), `${TOKEN}\n`, { mode: 0o600 });
  placeProgram('bin', '"$@"');
  // For what the page shows: run in earnest, but for the unloading.
  placeProgram('dry', '"$@" --dry-run');
});
afterAll(async () => {
  await exporter?.stop();
  await router?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The installed program, in a folder for the PATH. */
function placeProgram(name: string, args: string): void {
  const file = join(folder, name, 'llama-router-exporter');
  mkdirSync(join(folder, name));
  writeFileSync(
    file,
    `#!/bin/sh\nexec '${process.execPath}' '${join(CHECKOUT, 'dist', 'main.mjs')}' ${args}\n`,
  );
  chmodSync(file, 0o755);
}

/** Runs a program; not with spawnSync, for the exporter lives in this process. */
async function run(command: string, args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(command, args, {
    cwd: folder,
    env: {
      PATH: `${join(folder, 'bin')}:${process.env.PATH}`,
      LLAMA_ROUTER_EXPORTER_TOKEN_FILE: join(folder, 'token'),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (text) => {
    out += text;
  });
  child.stderr.on('data', (text) => {
    err += text;
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, out, err };
}

async function load(...models: string[]): Promise<void> {
  for (const model of models) {
    // A hold that has ended may be loading it again.
    if ((await statusesOf(router))[model] === 'unloaded') await order(router, 'load', model).catch(() => {});
    await exporter.untilValue('llama_router_model_status', { model, status: 'loaded' }, 1);
  }
  await untilItHears();
}

const holds = () => holdsOf(exporter.url);

/** The environment of a program on a machine with this exporter and this router. */
const inService = () => ({ LLAMA_ROUTER_EXPORTER_URL: exporter.url, LLAMA_SERVER_URL: router.url });

const NONE_LOADED = { 'tiny-a': 'unloaded', 'tiny-b': 'unloaded', 'embed-small': 'unloaded' };

describe('while a job runs', () => {
  beforeEach(() => load('tiny-a', 'tiny-b'));
  afterEach(() => run('llama-router-exporter', ['release', '--all', '--exporter', exporter.url]));

  const lines = [...PAGE.matchAll(/llama-router-exporter (run [^\n]*)/g)]
    .map(([, args = '']) => args)
    // Only where memory is measured.
    .filter((args) => !args.includes('--need'));

  it('shows command lines', () => expect(lines.length).toBeGreaterThan(4));

  it.each(lines)('llama-router-exporter %s', async (shown) => {
    const [flags = '', command = ''] = shown.split(' -- ');
    expect(command).not.toBe('');
    const line = here(`llama-router-exporter ${flags} -- sh -c 'curl -s "$LLAMA_SERVER_URL/models"; exit 3'`);
    const { code, out, err } = await run('sh', ['-c', line], inService());
    expect([code, err]).toEqual([3, expect.stringMatching(/memory (is free|free after)/)]);
    expect(out).not.toMatch(/"value":"(loaded|loading|sleeping)"/);
    expect(out.match(/"value":"unloaded"/g)).toHaveLength(3);
    expect(await holds()).toEqual([]);
    if (!flags.includes('--restore')) return expect(await statusesOf(router)).toEqual(NONE_LOADED);
    await until('the models to be back', async () => {
      const statuses = await statusesOf(router);
      return statuses['tiny-a'] === 'loaded' && statuses['tiny-b'] === 'loaded';
    });
  });

  it('hooks of GameMode hold and release, and fit into its lines', async () => {
    const shown = shownFile('[custom]').split('\n');
    const hook = (name: string) => {
      const line = shown.find((each) => each.startsWith(`${name}=`)) ?? '';
      expect(line.length).toBeLessThan(200);
      return run(
        '/bin/sh',
        ['-c', line.slice(name.length + 1).replaceAll(INSTALLED, 'llama-router-exporter')],
        inService(),
      );
    };
    expect(await hook('start')).toMatchObject({ code: 0, err: '' });
    expect(await holds()).toMatchObject([
      { holder: 'gamemode', reason: 'a game', restore: true, state: 'active' },
    ]);
    expect(await statusesOf(router)).toEqual(NONE_LOADED);
    expect(await hook('end')).toMatchObject({ code: 0, err: '' });
    expect(await holds()).toEqual([]);
  });

  it('the drop-in of a service holds before it starts and releases when it has stopped', async () => {
    const command = (key: string) =>
      (new RegExp(`^${key}=-?(.*)$`, 'm').exec(shownFile('free-gpu.conf'))?.[1] ?? '')
        .replaceAll('%n', 'train.service')
        .replaceAll(INSTALLED, 'llama-router-exporter');
    expect(await run('sh', ['-c', command('ExecStartPre')], inService())).toMatchObject({ code: 0, err: '' });
    expect(await holds()).toMatchObject([{ holder: 'train.service', state: 'active' }]);
    expect(await run('sh', ['-c', command('ExecStopPost')], inService())).toMatchObject({ code: 0, err: '' });
    expect(await holds()).toEqual([]);
  });

  it('the prolog of Slurm holds for each job with GPUs, and the epilog releases its own hold', async () => {
    const call = (name: string, job: Record<string, string>) => {
      const file = join(folder, name);
      const text = readFileSync(join(RECIPES, name), 'utf8');
      const path = [{ of: 'PATH=/usr/local/bin:', by: `PATH=${join(folder, 'bin')}:` }];
      writeFileSync(file, substitute(text, path), { mode: 0o755 });
      return run(file, [], { ...inService(), PATH: '', ...job });
    };
    await call('slurm-prolog.sh', { SLURM_JOB_ID: '40' });
    expect(await holds()).toEqual([]);
    for (const id of ['41', '42']) {
      const job = { SLURM_JOB_ID: id, SLURM_JOB_GPUS: '0' };
      expect(await call('slurm-prolog.sh', job)).toMatchObject({ code: 0, err: '' });
    }
    expect((await holds()).map(({ holder }) => holder)).toEqual(['slurm-41', 'slurm-42']);
    expect(await statusesOf(router)).toEqual(NONE_LOADED);
    await call('slurm-epilog.sh', { SLURM_JOB_ID: '41', SLURM_JOB_GPUS: '0' });
    expect((await holds()).map(({ holder }) => holder)).toEqual(['slurm-42']);
    const down = { SLURM_JOB_ID: '43', SLURM_JOB_GPUS: '0', LLAMA_ROUTER_EXPORTER_URL: 'http://127.0.0.1:9' };
    expect(await call('slurm-prolog.sh', down)).toMatchObject({
      code: 0,
      err: expect.stringContaining('GPU memory is not free for job 43'),
    });
  });

  it('never puts the token on a command line', async () => {
    const flags = ['run', '--exporter', exporter.url, '--'];
    const running = run('llama-router-exporter', [...flags, 'sh', '-c', 'ps -eo args; sleep 0.2']);
    let seen = '';
    let over = false;
    void running.then(() => {
      over = true;
    });
    await until('its end', () => {
      seen += spawnSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).stdout;
      return over;
    });
    expect(`${(await running).out}${seen}`).toContain('main.mjs run');
    expect(`${(await running).out}${seen}`).not.toContain(TOKEN);
  });
});

/** The block of the page that contains this. */
function shownFile(words: string): string {
  const blocks = [...PAGE.matchAll(/^```ini\n([\s\S]*?)^```/gm)].map(([, block = '']) => block);
  return blocks.find((block) => block.includes(words)) ?? '';
}

it('the suspend hook unloads before the machine sleeps, and only then', async () => {
  await load('tiny-a', 'tiny-b');
  const env = { LLAMA_SERVER_URL: router.url };
  for (const when of [['post', 'suspend'], []]) {
    expect(await run(BEFORE_SUSPEND, when, env)).toEqual({ code: 0, out: '', err: '' });
  }
  expect(await statusesOf(router)).toMatchObject({ 'tiny-a': 'loaded', 'tiny-b': 'loaded' });
  const { code, out } = await run(BEFORE_SUSPEND, ['pre', 'suspend'], env);
  expect([code, out]).toEqual([0, expect.stringContaining('No model is loaded.')]);
  expect(await statusesOf(router)).toEqual(NONE_LOADED);
});

/** The placeholders of the documents, and their values here. */
function here(text: string): string {
  return text
    .replaceAll(/http:\/\/(?:localhost|gpu-box):10180/g, exporter.url)
    .replaceAll('http://localhost:8080', router.url)
    .replaceAll(/--(on|router) gpu-box/g, `--$1 127.0.0.1:${router.port}`)
    .replaceAll('qwen3-8b', 'tiny-a');
}

describe('docs/recipes.md', () => {
  const commands = [PAGE, ...UNIT_NAMES.map((unit) => readFileSync(join(UNITS, unit), 'utf8'))]
    .flatMap((text) => [...text.matchAll(/llama-router-exporter (unload(?:-all)? [^\n"|]*)/g)])
    .map(([, args = '']) => args);

  it('shows command lines', () => expect(commands.length).toBeGreaterThan(8));

  it.each(commands)('llama-router-exporter %s', async (args) => {
    const answer = await run('sh', ['-c', here(`llama-router-exporter ${args}`)], {
      PATH: `${join(folder, 'dry')}:${process.env.PATH}`,
      LLAMA_SERVER_URL: router.url,
    });
    expect(answer).toMatchObject({ code: 0, err: '' });
  });

  it('shows configurations that load', () => {
    const shown = yamlBlocks('recipes.md').filter((block) => block.startsWith('# config.yml\n'));
    const file = join(folder, 'config.yml');
    const loaded = shown.map((block) => {
      writeFileSync(file, block);
      return loadConfig({ file, env: {}, flags: {} });
    });
    expect(loaded.map(({ policy, unload }) => [policy.idle.length, unload.keep.length])).toEqual([
      [2, 0],
      [0, 2],
    ]);
  });

  const [ci = '', ...targets] = [...PAGE.matchAll(/^```sh\n([\s\S]*?)^```/gm)]
    .map(([, block = '']) => block)
    .filter((block) => block.includes('call "$api'));

  it('shows a CI step that waits, polls, and fails without a token', async () => {
    await load('tiny-a', 'tiny-b');
    const env = { LLAMA_TOKEN: TOKEN };
    // At once, so that it has to poll.
    const step = here(ci).replace('"wait": 60', '"wait": 0').replace('sleep 5', 'sleep 0.2; echo polls');
    expect(step).toContain('polls');
    const { code, out, err } = await run('sh', ['-euc', step], env);
    expect([code, out, err]).toEqual([0, expect.stringMatching(/^(polls\n)+true\n$/), '']);
    expect(await statusesOf(router)).toEqual(NONE_LOADED);
    const refused = await run('sh', ['-euc', step], { LLAMA_TOKEN: 'not-the-token-at-all' });
    expect([refused.code, refused.out]).toEqual([1, expect.stringContaining('Refused')]);
  });

  it('shows how to free an amount, and the answer where no memory is measured', async () => {
    await load('tiny-a', 'tiny-b');
    const ask = async (block = '') => {
      const start = `${here(ci).split('\n').slice(0, 2).join('\n')}\n`;
      const { out } = await run('sh', ['-c', start + here(block)], { LLAMA_TOKEN: TOKEN });
      return JSON.parse(out);
    };
    expect(await ask(targets[0])).toMatchObject({ outcome: 'dry_run', routers: [{ models: [{}, {}] }] });
    expect(await ask(targets[1])).toMatchObject({
      status: 409,
      detail: expect.stringContaining('is not measured'),
    });
  });
});

describe('shipped files', () => {
  it('scripts pass shellcheck', () => {
    const prepare = join(CHECKOUT, 'deploy', 'compose', 'prepare.sh');
    const scripts = [prepare, ...readdirSync(RECIPES).map((name) => join(RECIPES, name))];
    expect(runRooted({ command: 'shellcheck', args: scripts })).toEqual({ code: 0, output: '' });
  });

  it('units pass systemd-analyze verify, and so do the drop-in and the service of the page', () => {
    const units = join(folder, 'units');
    const program = join(folder, 'bin', 'llama-router-exporter');
    mkdirSync(join(units, 'train.service.d'), { recursive: true });
    writeFileSync(join(units, 'train.service'), '[Service]\nType=oneshot\nExecStart=/bin/true\n');
    const dropIn = shownFile('free-gpu.conf').replaceAll(INSTALLED, program);
    writeFileSync(join(units, 'train.service.d', 'free-gpu.conf'), dropIn);
    // A service that wraps its command.
    const own = shownFile('KillMode=')
      .replaceAll(INSTALLED, program)
      .replace('/usr/bin/python3', '/bin/true');
    writeFileSync(join(units, 'job.service'), own);
    for (const name of UNIT_NAMES) {
      const text = readFileSync(join(UNITS, name), 'utf8');
      writeFileSync(
        join(units, name),
        text.replace('ExecStart=llama-router-exporter', `ExecStart=${program}`),
      );
    }
    const names = ['train.service', 'job.service', ...UNIT_NAMES].map((name) => join(units, name));
    const verify = { command: 'systemd-analyze', args: ['verify', ...names] };
    expect(runRooted(verify)).toEqual({ code: 0, output: '' });
  });

  it('services run with minimal privileges', () => {
    const services = UNIT_NAMES.filter((name) => name.endsWith('.service')).map((name) => join(UNITS, name));
    // The exposure level of systemd, of 100.
    const judge = ['security', '--no-pager', '--offline=true', '--threshold=25', ...services];
    expect(runRooted({ command: 'systemd-analyze', args: judge })).toMatchObject({ code: 0 });
  });
});
