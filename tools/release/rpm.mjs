import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { debianVersion } from './deb.mjs';
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

const rpmArchitectures = { amd64: 'x86_64', arm64: 'aarch64' };

/** Folders that no other package has: they go with this one. */
const OWN_FOLDERS = [
  `/etc/${NAME}`,
  `/usr/share/doc/${NAME}`,
  ...['', '/prometheus', '/prometheus/rules', '/grafana', '/grafana/dashboards'].map(
    (path) => `/usr/share/${NAME}${path}`,
  ),
];

/**
 * Writes an RPM package.
 * @param {string} file @param {import('./artifacts.mjs').Parts} parts @param {string} scratch
 */
export function writeRpm(file, { architecture, executable, notices, release }, scratch) {
  const folder = join(scratch, `rpm-${architecture}`);
  const staged = join(folder, 'staged');
  const docs = { LICENSE: readFileSync(join(ROOT, 'LICENSE')) };
  layFiles(staged, { executable, notices, docs, zshFolder: 'usr/share/zsh/site-functions' });
  const list = join(folder, 'files');
  const files = pathsIn(staged).map((path) => `${attributes(path)} ${path}\n`);
  writeFileSync(list, [...files, ...OWN_FOLDERS.map((path) => `%dir ${path}\n`)].join(''));
  const built = join(folder, 'built');
  mkdirSync(built);
  const definitions = {
    _topdir: folder,
    _rpmdir: built,
    _build_name_fmt: `${NAME}.rpm`,
    _binary_payload: `w${COMPRESSION_LEVEL}.xzdio`,
    _buildhost: 'localhost',
    use_source_date_epoch_as_buildtime: '1',
    clamp_mtime_to_source_date_epoch: '1',
    // Their name is that of Node.js' build: they would conflict with a package of the same Node.js.
    _build_id_links: 'none',
    // Nothing is to be stripped or compressed once more.
    __os_install_post: '%{nil}',
    version_of_release: debianVersion(release.version),
    homepage: release.homepage,
    staged,
    file_list: list,
  };
  const options = Object.entries(definitions).flatMap(([name, value]) => ['--define', `${name} ${value}`]);
  const target = ['--target', `${rpmArchitectures[architecture]}-linux`];
  const spec = join(PACKAGES, `${NAME}.spec`);
  run('rpmbuild', ['--quiet', ...options, ...target, '-bb', spec], {
    env: { SOURCE_DATE_EPOCH: String(release.time) },
  });
  cpSync(join(built, `${NAME}.rpm`), file);
}

/** @param {string} path */
function attributes(path) {
  const mode = path.startsWith('/usr/bin/') ? '0755' : '0644';
  const kind = CONFIGURATION.includes(path) ? '%config(noreplace) ' : '';
  const doc = path.startsWith('/usr/share/doc/') ? '%doc ' : '';
  return `${kind}${doc}%attr(${mode},root,root)`;
}
