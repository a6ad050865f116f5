import { spawn } from 'node:child_process';
import { readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { sidRoot } from '../../tools/install-real-servers/places.mjs';
import { CHECKOUT } from './compose-file.ts';

/** An image as a container runtime sees it: its files, and what to do with them. */
export interface Image {
  /** The folder that holds its files. */
  readonly root: string;
  readonly entrypoint: readonly string[];
  readonly command?: readonly string[];
  /** `uid:gid`, in numbers. */
  readonly user: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly healthcheck?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
}

/**
 * Builds the checkout's Dockerfile with buildah, into a folder. The base image is a stand-in, since none can be
 * downloaded: this machine's Node on Debian. It takes half a minute, of which npm is most.
 */
export async function buildImage(folder: string): Promise<Image> {
  const npm = dirname(dirname(realpathSync(join(dirname(process.execPath), 'npm'))));
  const script = join(import.meta.dirname, 'build-image.sh');
  const args = [script, folder, CHECKOUT, sidRoot, realpathSync(process.execPath), npm];
  const unshared = ['--mount', '--propagation', 'private', 'setpriv', '--pdeathsig', 'KILL', 'sh', ...args];
  await run('unshare', unshared);
  const { Docker } = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as Inspected;
  const { config } = Docker;
  return {
    root: join(folder, 'root'),
    entrypoint: config.Entrypoint,
    command: config.Cmd,
    user: config.User,
    environment: Object.fromEntries(config.Env.map((each) => each.split(/=(.*)/s).slice(0, 2))),
    healthcheck: config.Healthcheck.Test,
    labels: config.Labels,
  };
}

interface Inspected {
  readonly Docker: {
    readonly config: {
      readonly Entrypoint: string[];
      readonly Cmd: string[];
      readonly User: string;
      readonly Env: string[];
      readonly Healthcheck: { readonly Test: string[] };
      readonly Labels: Record<string, string>;
    };
  };
}

/** Not with spawnSync: half a minute is long for everything else that this process has to do. */
function run(command: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (text) => {
        said += text;
      });
    }
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`The image was not built (exit code ${code}). It said:\n${said}`));
    });
  });
}
