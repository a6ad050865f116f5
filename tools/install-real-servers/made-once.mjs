// Creates expensive folders under a temporary name and renames them, so that incomplete ones are never used.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const stamp = '.made-from';

/** Whether the folder exists and was created from this recipe. @param {string} folder @param {string} recipe */
export function isMade(folder, recipe) {
  const made = join(folder, stamp);
  return existsSync(made) && readFileSync(made, 'utf8') === recipe;
}

/**
 * Lets `make(partial)` fill a folder and renames it. The next run removes leftovers of an interrupted one.
 * @param {string} folder @param {string} recipe @param {(partial: string) => void} make
 */
export function makeOnce(folder, recipe, make) {
  mkdirSync(dirname(folder), { recursive: true });
  sweep(folder);
  const partial = `${folder}.partial.${process.pid}`;
  try {
    make(partial);
    writeFileSync(join(partial, stamp), recipe);
    // Another test run may have been faster.
    if (isMade(folder, recipe)) return;
    rmSync(folder, { recursive: true, force: true });
    renameSync(partial, folder);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

/** Removes leftovers of interrupted runs, recognised by process id. @param {string} folder */
function sweep(folder) {
  for (const name of readdirSync(dirname(folder))) {
    const [, pid] = name.split(`${basename(folder)}.partial.`);
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    rmSync(join(dirname(folder), name), { recursive: true, force: true });
  }
}
