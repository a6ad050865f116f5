// Folders that are costly to make: made beside their place and then put there, so that a half of one is never used.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const stamp = '.made-from';

/** Whether the folder is there and was made from this recipe; one made from another is to be made again. */
export function isMade(folder, recipe) {
  const made = join(folder, stamp);
  return existsSync(made) && readFileSync(made, 'utf8') === recipe;
}

/** Has `make(partial)` fill a folder, and puts it into its place. Interrupted, it leaves only what the next run sweeps away. */
export function makeOnce(folder, recipe, make) {
  mkdirSync(dirname(folder), { recursive: true });
  sweep(folder);
  const partial = `${folder}.partial.${process.pid}`;
  try {
    make(partial);
    writeFileSync(join(partial, stamp), recipe);
    // Another test run may have been faster, and use its folder already.
    if (isMade(folder, recipe)) return;
    rmSync(folder, { recursive: true, force: true });
    renameSync(partial, folder);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

/** Removes what an interrupted run left, by the process id in its name. */
function sweep(folder) {
  for (const name of readdirSync(dirname(folder))) {
    const [, pid] = name.split(`${basename(folder)}.partial.`);
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    rmSync(join(dirname(folder), name), { recursive: true, force: true });
  }
}
