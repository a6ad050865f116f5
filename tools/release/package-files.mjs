// What .deb and .rpm install.
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

export const NAME = 'llama-router-exporter';
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
export const PACKAGES = join(ROOT, 'deploy/packages');

/** Files that a user may change: an upgrade keeps the changes. */
export const CONFIGURATION = [`/etc/${NAME}/config.yml`, `/etc/${NAME}/env`];

/** Of xz: 35 MB in 4 s on two cores. Level 6 needs 70 s for 28 MB. */
export const COMPRESSION_LEVEL = 0;

/**
 * Lays all files as they are to be installed into the folder.
 * @param {string} folder
 * @param {{ executable: string, notices: string, zshFolder: string, docs: Record<string, string | Buffer> }} parts
 *   `docs`: more files in the package's folder of documentation
 */
export function layFiles(folder, { executable, notices, zshFolder, docs }) {
  const source = (path) => readFileSync(join(ROOT, path));
  const doc = `usr/share/doc/${NAME}`;
  const files = {
    [`etc/${NAME}/env`]: source('deploy/systemd/llama-router-exporter.env'),
    [`etc/${NAME}/config.yml`]: source('config.example.yml'),
    [`usr/lib/systemd/system/${NAME}.service`]: packagedUnit(
      source(`deploy/systemd/${NAME}.service`).toString(),
    ),
    [`usr/share/man/man1/${NAME}.1.gz`]: gzipSync(source(`man/${NAME}.1`), { level: 9 }),
    [`usr/share/bash-completion/completions/${NAME}`]: source(`completions/${NAME}.bash`),
    [`usr/share/fish/vendor_completions.d/${NAME}.fish`]: source(`completions/${NAME}.fish`),
    [`${zshFolder}/_${NAME}`]: source(`completions/_${NAME}`),
    [`${doc}/THIRD-PARTY-NOTICES.txt.gz`]: gzipSync(notices, { level: 9 }),
  };
  for (const [name, content] of Object.entries(docs)) files[`${doc}/${name}`] = content;
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(folder, dirname(path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  for (const path of ['prometheus/rules', 'grafana/dashboards']) {
    cpSync(join(ROOT, path), join(folder, 'usr/share', NAME, path), { recursive: true });
  }
  mkdirSync(join(folder, 'usr/bin'));
  cpSync(executable, join(folder, 'usr/bin', NAME));
  for (const path of pathsIn(folder))
    chmodSync(join(folder, path), path === `/usr/bin/${NAME}` ? 0o755 : 0o644);
}

/** The unit with the user of the package, which can own files and join groups. @param {string} unit */
function packagedUnit(unit) {
  const dynamic = /^DynamicUser=yes$/m;
  if (!dynamic.test(unit)) throw new Error('the unit has no DynamicUser=yes');
  return unit.replace(dynamic, `User=${NAME}`);
}

/** All files below the folder, as they are called once they are installed. @param {string} folder */
export function pathsIn(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(folder.length))
    .sort();
}
