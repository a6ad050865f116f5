import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { isMade, makeOnce } from '../../tools/install-real-servers/made-once.mjs';
import { cache } from '../../tools/install-real-servers/places.mjs';
import { Missing, run } from '../../tools/install-real-servers/shell.mjs';

const PACKAGE = 'prometheus-node-exporter';

/** Debian's node_exporter, unpacked into the cache folder, so that no service is installed. */
export function nodeExporter() {
  const folder = join(cache, 'node-exporter');
  if (!isMade(folder, PACKAGE)) {
    makeOnce(folder, PACKAGE, (partial) => {
      mkdirSync(partial);
      run('sh', [
        '-c',
        `cd "$0" && apt-get download ${PACKAGE} && dpkg-deb -x ./*.deb . && rm ./*.deb`,
        partial,
      ]);
    });
  }
  const program = join(folder, 'usr/bin', PACKAGE);
  if (!existsSync(program)) throw new Missing(`the package ${PACKAGE} has no ${program}`);
  return program;
}
