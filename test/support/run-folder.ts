import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cache } from '../../tools/install-real-servers/places.mjs';

const runs = join(cache, 'run');

/**
 * A new folder for one server's files, next to the cached models to allow hard links. Its name contains the process id:
 * the next run removes the folders of killed runs.
 */
export function makeRunFolder(name: string): string {
  mkdirSync(runs, { recursive: true });
  for (const left of readdirSync(runs)) {
    const owner = left.split('.')[1];
    if (!existsSync(`/proc/${owner}`)) rmSync(join(runs, left), { recursive: true, force: true });
  }
  return mkdtempSync(join(runs, `${name}.${process.pid}.`));
}
