import { join } from 'node:path';
import { sidRoot } from '../../tools/install-real-servers/places.mjs';
import { runRooted } from './rooted-process.ts';

export const CHECKOUT = join(import.meta.dirname, '..', '..');

/** A service as `docker compose config` prints it: everything filled in, every path absolute. */
export interface ComposedService {
  readonly image: string;
  readonly command?: readonly string[] | null;
  readonly entrypoint?: readonly string[] | null;
  readonly environment?: Readonly<Record<string, string>>;
  readonly user?: string;
  readonly read_only?: boolean;
  readonly tmpfs?: readonly string[];
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly volumes?: readonly ComposedVolume[];
  readonly secrets?: readonly { readonly source: string; readonly target: string }[];
  readonly depends_on?: Readonly<Record<string, unknown>>;
  readonly healthcheck?: { readonly test?: readonly string[] };
  readonly networks?: Readonly<Record<string, { readonly aliases?: readonly string[] } | null>>;
  readonly ports?: readonly {
    readonly host_ip?: string;
    readonly target: number;
    readonly published: string;
  }[];
  readonly pid?: string;
}

export interface ComposedVolume {
  readonly type: 'bind' | 'volume';
  readonly source: string;
  readonly target: string;
  readonly read_only?: boolean;
}

/** A compose file as Docker Compose understands it. */
export interface Composed {
  readonly services: Readonly<Record<string, ComposedService>>;
  readonly secrets?: Readonly<Record<string, { readonly file: string }>>;
}

/**
 * Has the real Docker Compose read the compose file of a folder, with its .env if there is one; `args` come before
 * `config`, such as `--profile demo`. Throws what Compose says, also when that is only a warning.
 */
export function compose(folder: string, ...args: string[]): Composed {
  const { code, output } = runCompose(folder, ...args, 'config', '--format', 'json');
  if (code !== 0 || !output.startsWith('{')) throw new Error(`docker-compose ${args.join(' ')}: ${output}`);
  return JSON.parse(output) as Composed;
}

/** The code and all that it prints. */
export function runCompose(folder: string, ...args: string[]): { code: number; output: string } {
  const command = ['-C', folder, '-u', 'COMPOSE_PROFILES', '-u', 'COMPOSE_FILE', 'docker-compose', ...args];
  return runRooted({ command: 'env', args: command, root: sidRoot, folders: [folder] });
}
