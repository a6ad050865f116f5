import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cache } from '../../tools/install-real-servers/places.mjs';

const runs = join(cache, 'run');

/**
 * A fresh folder for one server's files. It is next to the cached models, so that they can be hard-linked,
 * and it carries our process id: what a killed test run left behind is swept by the next one.
 */
export function makeRunFolder(name: string): string {
  mkdirSync(runs, { recursive: true });
  for (const left of readdirSync(runs)) {
    const owner = left.split('.')[1];
    if (!existsSync(`/proc/${owner}`)) rmSync(join(runs, left), { recursive: true, force: true });
  }
  return mkdtempSync(join(runs, `${name}.${process.pid}.`));
}
