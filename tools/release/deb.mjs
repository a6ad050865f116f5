import { createHash } from 'node:crypto';
import { chmodSync, cpSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import {
  COMPRESSION_LEVEL,
  CONFIGURATION,
  layFiles,
  NAME,
  PACKAGES,
  pathsIn,
  ROOT,
} from './package-files.mjs';
import { run } from './run.mjs';

const MAINTAINER = `${NAME} <${NAME}@users.noreply.github.com>`;

/**
 * Writes a Debian package.
 * @param {string} file @param {import('./artifacts.mjs').Parts} parts @param {string} scratch
 */
export function writeDeb(file, { architecture, executable, notices, release }, scratch) {
  const folder = join(scratch, `deb-${architecture}`);
  const version = debianVersion(release.version);
  const docs = {
    copyright: copyright(),
    'changelog.gz': gzipSync(changelog(version, release), { level: 9 }),
  };
  layFiles(folder, { executable, notices, docs, zshFolder: 'usr/share/zsh/vendor-completions' });
  const paths = pathsIn(folder);
  const size = paths.reduce((sum, path) => sum + Math.ceil(statSync(join(folder, path)).size / 1024), 0);
  const control = join(folder, 'DEBIAN');
  mkdirSync(control);
  for (const script of ['postinst', 'prerm', 'postrm']) {
    cpSync(join(PACKAGES, script), join(control, script));
    chmodSync(join(control, script), 0o755);
  }
  const texts = {
    control: controlText({ version, architecture, size, homepage: release.homepage }),
    conffiles: lines(CONFIGURATION),
    md5sums: lines(paths.map((path) => `${md5(join(folder, path))}  ${path.slice(1)}`)),
  };
  for (const [name, text] of Object.entries(texts)) writeFileSync(join(control, name), text);
  const options = ['--root-owner-group', '-Zxz', `-z${COMPRESSION_LEVEL}`, '--build', folder, file];
  run('dpkg-deb', options, { env: { SOURCE_DATE_EPOCH: String(release.time) } });
}

/** A pre-release is older than the release: `~` sorts before the end. @param {string} version */
export const debianVersion = (version) => version.replace('-', '~');

function controlText({ version, architecture, size, homepage }) {
  return `Package: ${NAME}
Version: ${version}
Architecture: ${architecture}
Maintainer: ${MAINTAINER}
Installed-Size: ${size}
Depends: libc6 (>= 2.28), libgcc-s1, libstdc++6 (>= 5.1), adduser, init-system-helpers (>= 1.54)
Section: net
Priority: optional
Homepage: ${homepage}
Description: Prometheus exporter and operations service for llama.cpp's router mode
 It reads the state of every model of a llama.cpp router, publishes it for
 Prometheus, and unloads models to free GPU memory.
`;
}

function changelog(version, { time, homepage }) {
  const date = new Date(time * 1000).toUTCString().replace('GMT', '+0000');
  return `${NAME} (${version}) stable; urgency=medium

  * ${homepage}/blob/v${version.replace('~', '-')}/CHANGELOG.md

 -- ${MAINTAINER}  ${date}
`;
}

function copyright() {
  const license = readFileSync(join(ROOT, 'LICENSE'), 'utf8').trim();
  return `${license}

The program contains Node.js and libraries, whose licences are in
/usr/share/doc/${NAME}/THIRD-PARTY-NOTICES.txt.gz
`;
}

const lines = (texts) => texts.map((text) => `${text}\n`).join('');

const md5 = (file) => createHash('md5').update(readFileSync(file)).digest('hex');
