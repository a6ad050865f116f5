import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NAME, ROOT } from './package-files.mjs';
import { run } from './run.mjs';

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
  const same = [
    '--sort=name',
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    '--mode=go+rX',
    `--mtime=@${release.time}`,
  ];
  run('tar', ['-C', scratch, ...same, '-I', 'gzip --no-name', '-cf', file, folder]);
}
