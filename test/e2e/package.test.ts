import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { goPrograms } from '../../tools/install-real-servers/places.mjs';
import { freePort } from '../support/free-port.ts';
import { runGoProgram } from '../support/helm.ts';
import { makeRunFolder } from '../support/run-folder.ts';
import { until } from '../support/until.ts';

const CHECKOUT = join(import.meta.dirname, '..', '..');
const { name, version } = JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8'));

let folder: string;
let installed: string;
let packed: { filename: string; files: { path: string; mode: number }[] };
const running: ChildProcess[] = [];

beforeAll(() => {
  folder = makeRunFolder('package');
  const said = run('npm', ['pack', '--json', '--pack-destination', folder], CHECKOUT);
  // What is before it is of the build that comes first.
  packed = JSON.parse(said.slice(said.indexOf('[\n')))[0];
  const clean = join(folder, 'clean');
  mkdirSync(clean);
  const quiet = ['--no-audit', '--no-fund', '--prefer-offline'];
  run('npm', ['install', '--omit=dev', ...quiet, join(folder, packed.filename)], clean);
  installed = join(clean, 'node_modules');
});
afterAll(() => {
  for (const child of running) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

function run(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (status !== 0)
    throw new Error(`${[command, ...args].join(' ')} exits with ${status}:\n${stdout}${stderr}`);
  return stdout;
}

const program = (...args: string[]) => run(join(installed, '.bin', name), args, folder);

/** Starts the program that is installed; what it prints is added to the text that is given back. */
function start(...args: string[]): { said(): string } {
  const child = spawn(join(installed, '.bin', name), args, {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (part: Buffer) => (text += part.toString()));
  running.push(child);
  return { said: () => text };
}

describe('the package', () => {
  it('contains only the expected files', () => {
    const paths = packed.files.map(({ path }) => path);
    const tops = [...new Set(paths.map((path) => path.replace(/\/.*/, '/')))];
    expect(tops.toSorted()).toEqual(
      [
        'CHANGELOG.md',
        'LICENSE',
        'README.md',
        'alertmanager/',
        'config.example.yml',
        'deploy/',
        'dist/',
        'docs/',
        'grafana/',
        'integrations/',
        'package.json',
        'prometheus/',
      ].toSorted(),
    );
    const junk =
      /^(?!dist\/)(.*\/)?(test|tests|bench|src|build)\/(?!.*\.yml$)|\.(ts|map|tsbuildinfo|log)$|^deploy\/helm/;
    expect(paths.filter((path) => junk.test(path))).toEqual([]);
    expect(packed.files.find(({ path }) => path === 'dist/main.mjs')).toBeDefined();
  });

  it('installs nothing else', () => {
    expect(readdirSync(installed).filter((each) => !each.startsWith('.'))).toEqual([name]);
  });

  it('contains the licences of its libraries', () => {
    const notices = readFileSync(join(installed, name, 'dist/THIRD-PARTY-NOTICES.txt'), 'utf8');
    for (const library of ['express', 'undici', 'zod', 'bcryptjs', 'qs']) {
      expect(notices).toMatch(new RegExp(`^${library} \\d+\\.\\d+\\.\\d+ \\(.+\\)\n`, 'm'));
    }
  });

  it('puts the program on the path, with its version', () => {
    expect(program('--version')).toBe(`${name} ${version} (Node ${process.versions.node})\n`);
  });

  it('accepts the shipped configuration', () => {
    const example = join(installed, name, 'config.example.yml');
    expect(program('check-config', example)).toBe(`${example}: valid, 1 router\n`);
  });

  it('serves metrics and the page of a router', async () => {
    const [port, own] = [await freePort(), await freePort()];
    const router = start('simulate', '--port', String(port), '--quiet');
    await until('the simulated router', () => router.said().includes('listening on http'));
    const exporter = start(
      'serve',
      '--router',
      `http://127.0.0.1:${port}`,
      '--web.listen-address',
      `127.0.0.1:${own}`,
    );
    await until('the exporter to listen', () => exporter.said().includes('msg=listening'));
    const scrape = async () => (await fetch(`http://127.0.0.1:${own}/metrics`)).text();
    await until('the router to be up', async () =>
      (await scrape()).includes(`llama_router_up{router="127.0.0.1:${port}"} 1\n`),
    );
    expect(await scrape()).toMatch(/^llama_router_model_status\{.+\} 1$/m);
    const page = await fetch(`http://127.0.0.1:${own}/`);
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('<html')]);
  });
});

it('the chart of a release uses the image of that release', () => {
  const helm = { ...process.env, HELM: join(goPrograms, 'helm') };
  const image = 'registry.example/owner/llama-router-exporter';
  const args = [join(CHECKOUT, 'tools', 'package-chart.mjs'), image, folder];
  expect(spawnSync(process.execPath, args, { env: helm, encoding: 'utf8' })).toMatchObject({ status: 0 });
  const chart = join(folder, `${name}-${version}.tgz`);
  expect(parse(runGoProgram('helm', ['show', 'chart', chart]).out)).toMatchObject({
    version,
    appVersion: version,
  });
  const { out } = runGoProgram('helm', ['template', chart, '--kube-version=1.37.0']);
  expect(out).toContain(`image: "${image}:${version}"\n`);
  expect(run('tar', ['--list', '--file', chart], folder)).toContain('files/rules/alerts.yml');
});
