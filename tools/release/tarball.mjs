import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeArchive } from './archive.mjs';
import { NAME, ROOT } from './package-files.mjs';

/**
 * Writes an archive with the executable, its manual page, completions and licences in one folder.
 * @param {string} file @param {import('./artifacts.mjs').Parts} parts @param {string} scratch
 */
export function writeTarball(file, { architecture, executable, notices, release }, scratch) {
  const folder = `${NAME}_${release.version}_linux_${architecture}`;
  const path = join(scratch, folder);
  mkdirSync(path);
  cpSync(executable, join(path, NAME));
  for (const each of ['LICENSE', 'config.example.yml', 'man', 'completions']) {
    cpSync(join(ROOT, each), join(path, each), { recursive: true });
  }
  writeFileSync(join(path, 'THIRD-PARTY-NOTICES.txt'), notices);
  writeArchive(file, scratch, folder, release.time);
}
