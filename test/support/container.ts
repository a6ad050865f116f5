import { chownSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Image } from './built-image.ts';
import type { Composed, ComposedService } from './compose-file.ts';
import { type RootedProcess, runRooted, startRooted } from './rooted-process.ts';

/** Services of one compose file under way, in a network of their own. */
export interface Containers {
  /** A program in the network of the services; `curl` finds them all on 127.0.0.1. */
  run(command: string, ...args: string[]): { code: number; output: string };
  /** A program within the service's own files and network, as root with all that root may do. */
  inside(service: string, command: string, ...args: string[]): { code: number; output: string };
  /** The JSON answer of the API; throws with the text if it is not JSON. */
  ask(url: string, ...curl: string[]): unknown;
  /** Whether the health check of the service succeeds; throws with its log if the service has ended. */
  isHealthy(service: string): boolean;
  log(service: string): string;
  pid(service: string): number | undefined;
  /** Starts a service without waiting for its health check. */
  start(service: string): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Runs the services of a compose file without a container engine: each service runs with its
 * own root (a copy-on-write view of its image's files), its mounts, secrets and tmpfs, its user, read-only and without
 * capabilities where it says so, and the services find each other by name. Not so: process tables are the machine's,
 * memory is not limited, and no port is published. The programs of `images` stand in for those that cannot be had.
 */
export async function createContainers(
  { services, secrets = {} }: Composed,
  images: Readonly<Record<string, Image>>,
  folder: string,
): Promise<Containers> {
  const lo = 'ip link set lo up && exec sleep infinity';
  const network = await startRooted(
    { command: 'unshare', args: ['--net', 'sh', '-c', lo] },
    join(folder, 'network.log'),
  );
  const inNetwork = ['nsenter', `--net=/proc/${network.pid}/ns/net`];
  const hosts = join(folder, 'hosts');
  writeFileSync(hosts, `127.0.0.1 localhost ${namesOf(services).join(' ')}\n`);
  const running = new Map<string, RootedProcess>();

  const run = (command: string, ...args: string[]) =>
    runRooted({ command: inNetwork[0] ?? '', args: [...inNetwork.slice(1), command, ...args] });

  const inside = (name: string, command: string, ...args: string[]) =>
    runRooted({
      command: 'nsenter',
      args: [`--target=${running.get(name)?.pid}`, '--mount', '--net', '--root', '--wd=/', command, ...args],
    });

  return {
    run,
    inside,
    ask(url, ...curl) {
      const { output } = run('curl', '-sS', '--max-time', '5', ...curl, url);
      try {
        return JSON.parse(output);
      } catch {
        throw new Error(`${url}: ${output}`);
      }
    },
    isHealthy(name) {
      const test = services[name]?.healthcheck?.test ?? imageOf(name).healthcheck ?? [];
      const [, program = '', ...args] = test;
      const process = running.get(name);
      if (!process?.alive()) throw new Error(`${name} has ended. It said:\n${process?.log()}`);
      if (program === 'node') return inside(name, '/usr/local/bin/node', ...args).code === 0;
      // wget and curl are in those images, but not in their stand-ins.
      return run('curl', '-fsS', '-o', '/dev/null', args.at(-1) ?? '').code === 0;
    },
    log: (name) => running.get(name)?.log() ?? '',
    pid: (name) => running.get(name)?.pid,
    async start(name) {
      const service = services[name];
      if (!service) throw new Error(`the compose file has no service ${name}`);
      const script = scriptOf(service, name);
      const args = [
        '--mount',
        '--propagation',
        'private',
        'setpriv',
        '--pdeathsig',
        'KILL',
        'sh',
        '-c',
        script,
      ];
      const command = { command: inNetwork[0] ?? '', args: [...inNetwork.slice(1), 'unshare', ...args] };
      running.set(name, await startRooted(command, join(folder, `${name}.log`)));
    },
    async stop() {
      for (const process of [...running.values()].reverse()) await process.end('SIGTERM');
      await network.end('SIGKILL');
    },
  };

  function imageOf(name: string): Image {
    const image = images[services[name]?.image ?? ''];
    if (!image) throw new Error(`nothing stands for the image of ${name}, ${services[name]?.image}`);
    return image;
  }

  function scriptOf(service: ComposedService, name: string): string {
    const image = imageOf(name);
    const [uid = '0', gid = '0'] = (service.user ?? image.user).split(':');
    const box = join(folder, `${name}.box`);
    const root = join(box, 'root');
    mkdirSync(box);
    const binds = [
      ...(service.volumes ?? []).map(({ type, source, target, read_only = false }) => ({
        source: type === 'bind' ? source : volume(source, target, image),
        target,
        isReadOnly: read_only,
      })),
      ...(service.secrets ?? []).map(({ source, target }) => ({
        source: secrets[source]?.file ?? '',
        target: target.startsWith('/') ? target : `/run/secrets/${target}`,
        isReadOnly: true,
      })),
      { source: hosts, target: '/etc/hosts', isReadOnly: true },
    ];
    const absent = binds.find(({ source }) => !existsSync(source));
    if (absent) throw new Error(`${name} mounts ${absent.source}, which does not exist`);
    const environment = { ...image.environment, ...service.environment };
    const command = [
      ...(service.entrypoint ?? image.entrypoint),
      ...(service.command ?? image.command ?? []),
    ];
    const bounds = [
      ...(service.cap_drop?.includes('ALL') ? ['--bounding-set', '-all', '--inh-caps', '-all'] : []),
      ...(service.security_opt?.includes('no-new-privileges:true') ? ['--no-new-privs'] : []),
    ];
    const privileges = ['--pdeathsig', 'KILL', '--reuid', uid, '--regid', gid, '--clear-groups', ...bounds];
    return [
      'set -eu',
      `mount -t tmpfs tmpfs ${quote(box)}`,
      `mkdir ${['upper', 'work', 'root'].map((each) => quote(join(box, each))).join(' ')}`,
      `mount -t overlay overlay -o ${quote(`lowerdir=${image.root},upperdir=${box}/upper,workdir=${box}/work`)} ${quote(root)}`,
      `mkdir -p ${quote(`${root}/proc`)} ${quote(`${root}/dev`)} ${quote(`${root}/sys`)}`,
      `mount -t proc proc ${quote(`${root}/proc`)}`,
      `mount --rbind /dev ${quote(`${root}/dev`)}`,
      ...(service.tmpfs ?? []).flatMap((each) => tmpfs(root, each)),
      ...binds.flatMap(({ source, target, isReadOnly }) => bind(source, root + target, isReadOnly)),
      ...(service.read_only ? [`mount -o remount,ro ${quote(root)}`] : []),
      `exec chroot ${quote(root)} ${['setpriv', ...privileges, 'env', '-i', ...assignments(environment), ...command].map(quote).join(' ')}`,
    ].join('\n');
  }

  /** A new volume takes over the owner of the image's folder in its place. */
  function volume(name: string, target: string, { root, user }: Image): string {
    const path = join(folder, 'volumes', name);
    if (existsSync(path)) return path;
    mkdirSync(path, { recursive: true });
    const [uid = 0, gid = 0] = user.split(':').map(Number);
    const theirs = existsSync(root + target) ? statSync(root + target) : { uid, gid };
    chownSync(path, theirs.uid, theirs.gid);
    return path;
  }
}

function namesOf(services: Composed['services']): string[] {
  return Object.entries(services).flatMap(([name, { networks = {} }]) => [
    name,
    ...Object.values(networks).flatMap((network) => network?.aliases ?? []),
  ]);
}

function tmpfs(root: string, written: string): string[] {
  const [target = '', options] = written.split(':');
  const given = ['mode=1777', ...(options ? [options] : [])].join(',');
  return [`mkdir -p ${quote(root + target)}`, `mount -t tmpfs -o ${given} tmpfs ${quote(root + target)}`];
}

function bind(source: string, target: string, isReadOnly: boolean): string[] {
  const make = statSync(source).isDirectory()
    ? [`mkdir -p ${quote(target)}`]
    : [`mkdir -p ${quote(join(target, '..'))}`, `[ -e ${quote(target)} ] || : >${quote(target)}`];
  const seal = isReadOnly ? [`mount -o remount,bind,ro ${quote(target)}`] : [];
  return [...make, `mount --bind ${quote(source)} ${quote(target)}`, ...seal];
}

function assignments(environment: Readonly<Record<string, string>>): string[] {
  const path = environment.PATH ?? '/usr/local/bin:/usr/bin:/bin';
  return Object.entries({ ...environment, PATH: path }).map(([name, value]) => `${name}=${value}`);
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
