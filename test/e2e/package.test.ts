import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { freePort } from '../support/free-port.ts';
import { runGoProgram } from '../support/helm.ts';
import { makeRunFolder } from '../support/run-folder.ts';
import { until } from '../support/until.ts';

const CHECKOUT = join(import.meta.dirname, '..', '..');
const { name, version } = JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8'));

const REPOSITORY = 'Owner/exporter';
const TARBALL = `${name}-${version}.tgz`;

let folder: string;
let installed: string;
const running: ChildProcess[] = [];
/** A file of the release. */
const released = (file: string) => join(folder, 'files', file);

beforeAll(() => {
  folder = makeRunFolder('package');
  // linux-packages.test.ts makes the files for Linux.
  const flags = ['--repository', REPOSITORY, '--without-linux'];
  run(process.execPath, ['tools/release.mjs', join(folder, 'files'), ...flags], CHECKOUT);
  const clean = join(folder, 'clean');
  run('npm', ['install', '--global', '--offline', `--prefix=${clean}`, released(TARBALL)], folder);
  installed = join(clean, 'lib', 'node_modules');
}, 120_000);
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

const program = (...args: string[]) => run(join(folder, 'clean', 'bin', name), args, folder);

/** Starts the program that is installed; what it prints is added to the text that is given back. */
function start(...args: string[]): { said(): string } {
  const child = spawn(join(folder, 'clean', 'bin', name), args, {
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
    const listed = run('tar', ['--list', '--file', released(TARBALL)], folder)
      .trim()
      .split('\n');
    const paths = listed.map((path) => path.replace(/^package\//, ''));
    const tops = [...new Set(paths.map((path) => path.replace(/\/.*/, '/')))];
    expect(tops.toSorted()).toEqual(
      [
        'CHANGELOG.md',
        'LICENSE',
        'README.md',
        'alertmanager/',
        'completions/',
        'config.example.yml',
        'deploy/',
        'dist/',
        'docs/',
        'grafana/',
        'integrations/',
        'man/',
        'package.json',
        'prometheus/',
      ].toSorted(),
    );
    const junk =
      /^(.*\/)?(test|tests|bench|src|build)\/|\.(ts|map|tsbuildinfo|log|in)$|^deploy\/(helm|compose)/;
    expect(paths.filter((path) => junk.test(path))).toEqual([]);
    expect(paths).toEqual(expect.arrayContaining(['dist/main.mjs', 'dist/sbom.cdx.json']));
    expect(statSync(released(TARBALL)).size).toBeLessThan(1_500_000);
  });

  it('installs nothing else', () => {
    expect(readdirSync(installed).filter((each) => !each.startsWith('.'))).toEqual([name]);
    const shipped = JSON.parse(readFileSync(join(installed, name, 'package.json'), 'utf8'));
    expect(shipped.repository.url).toBe(`git+https://github.com/${REPOSITORY}.git`);
    expect(['dependencies', 'devDependencies', 'scripts'].filter((key) => key in shipped)).toEqual([]);
  });

  it('contains the licences of its libraries', () => {
    const notices = readFileSync(join(installed, name, 'dist/THIRD-PARTY-NOTICES.txt'), 'utf8');
    for (const library of ['express', 'undici', 'zod', 'bcryptjs', 'qs']) {
      expect(notices).toMatch(new RegExp(`^${library} \\d+\\.\\d+\\.\\d+ \\(.+\\)\n`, 'm'));
    }
  });

  it('puts the program and its manual page on the paths', () => {
    expect(program('--version')).toBe(`${name} ${version} (Node ${process.versions.node})\n`);
    expect(existsSync(join(folder, 'clean/share/man/man1', `${name}.1`))).toBe(true);
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

describe('the release', () => {
  it('has a checksum of every file except the notes', () => {
    const sums = readFileSync(released('SHA256SUMS'), 'utf8').trim().split('\n');
    const summed = sums.map((line) => line.split('  ')[1]);
    const others = ['SHA256SUMS', 'release-notes.md'];
    expect([...summed, ...others].toSorted()).toEqual(readdirSync(join(folder, 'files')).toSorted());
    run('sha256sum', ['--check', '--strict', 'SHA256SUMS'], join(folder, 'files'));
    expect(readFileSync(released('release-notes.md'), 'utf8')).toContain('### Added');
  });

  it('lists the libraries of the bundle, and no others', () => {
    const { components } = JSON.parse(readFileSync(released(`${name}-${version}.cdx.json`), 'utf8'));
    const listed = (components as { group?: string; name: string; version: string }[]).map(
      (each) => `${each.group === undefined ? '' : `${each.group}/`}${each.name} ${each.version}`,
    );
    const notices = readFileSync(join(installed, name, 'dist/THIRD-PARTY-NOTICES.txt'), 'utf8');
    const noticed = notices
      .split(`\n${'-'.repeat(80)}\n\n`)
      .map((notice) => notice.split(' ').slice(0, 2).join(' '));
    expect(listed.toSorted()).toEqual(noticed.toSorted());
  });

  it('has files for Homebrew, Nix and the AUR that name the package and its checksum', () => {
    const aur = run('tar', ['-xzOf', released(`${name}-${version}-aur.tar.gz`)], folder);
    const sum = run('sha256sum', [released(TARBALL)], folder).split(' ')[0] ?? '';
    const url = `https://github.com/${REPOSITORY}/releases/download/v${version}/${TARBALL}`;
    const texts = [aur, ...['rb', 'nix'].map((kind) => readFileSync(released(`${name}.${kind}`), 'utf8'))];
    for (const text of texts) {
      for (const word of [url, sum]) expect(text).toContain(word);
      expect(text).not.toMatch(/@[A-Z\d]+@/);
    }
    expect(aur).toContain(`\tsha256sums = ${sum}\n`);
  });

  it('installs with the PKGBUILD', () => {
    run('tar', ['-xzf', released(`${name}-${version}-aur.tar.gz`)], folder);
    const build = join(folder, name);
    run('tar', ['-xzf', released(TARBALL)], build);
    const root = join(build, 'root');
    run('bash', ['-euc', 'source ./PKGBUILD; pkgdir=$1; package', 'bash', root], build);
    expect(run(join(root, 'usr/lib', name, 'dist/main.mjs'), ['--version'], folder)).toContain(version);
    const more = ['man/man1/llama-router-exporter.1', 'bash-completion/completions/llama-router-exporter'];
    for (const path of more) expect(existsSync(join(root, 'usr/share', path))).toBe(true);
    const unit = readFileSync(join(root, `usr/lib/systemd/system/${name}.service`), 'utf8');
    expect(unit).toContain(`ExecStart=${name} serve\n`);
  });

  it('is refused in a folder with files', () => {
    const again = ['tools/release.mjs', join(folder, 'files'), '--repository', REPOSITORY];
    const { status, stderr } = spawnSync(process.execPath, again, { cwd: CHECKOUT, encoding: 'utf8' });
    expect([status, stderr]).toEqual([1, expect.stringContaining('is not empty')]);
  });

  it('runs with npx from an empty cache', () => {
    const npx = ['--yes', '--offline', `--cache=${join(folder, 'cache')}`, `file://${released(TARBALL)}`];
    expect(run('npx', [...npx, '--version'], folder)).toContain(`${name} ${version} (Node`);
  });

  it('has a chart that uses the image of the release', () => {
    const chart = released(`${name}-chart-${version}.tgz`);
    const shown = parse(runGoProgram('helm', ['show', 'chart', chart]).out);
    expect(shown).toMatchObject({ version, appVersion: version });
    const { out } = runGoProgram('helm', ['template', chart, '--kube-version=1.37.0']);
    expect(out).toContain(`image: "ghcr.io/owner/exporter:${version}"\n`);
    expect(run('tar', ['--list', '--file', chart], folder)).toContain('files/rules/alerts.yml');
  });
});
