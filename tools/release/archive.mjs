import { run } from './run.mjs';

/**
 * Writes a .tar.gz of a folder; the same content gives the same bytes.
 * @param {string} file @param {string} parent of the folder @param {string} folder its name
 * @param {number} time of all files, in seconds since the epoch
 */
export function writeArchive(file, parent, folder, time) {
  const same = [
    '--sort=name',
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    '--mode=go+rX',
    `--mtime=@${time}`,
  ];
  run('tar', ['-C', parent, ...same, '-I', 'gzip --no-name', '-cf', file, folder]);
}
