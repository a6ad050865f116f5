// Makes all files of a release in an empty folder and publishes nothing: `node tools/release.mjs FOLDER --repository OWNER/NAME`.
// The workflow of a release passes `--tag`; without one, the notes are those of the next release. `--without-linux`: no executables, .deb
// and .rpm, which need Node.js from npm, dpkg-deb and rpmbuild.
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bundledLibraries, noticesOf } from './build.mjs';
import { goPrograms } from './install-real-servers/places.mjs';
import { writeArchive } from './release/archive.mjs';
import { NODE_VERSION } from './release/node.mjs';
import { run } from './release/run.mjs';
import { namedVersions, releaseNotes } from './release-notes.mjs';
import { billOfMaterials } from './sbom.mjs';

const USAGE = 'node tools/release.mjs FOLDER --repository OWNER/NAME [--tag vX.Y.Z] [--without-linux]';
const root = fileURLToPath(new URL('../', import.meta.url));
const product = JSON.parse(text('package.json'));
const name = `${product.name}-${product.version}`;

const { folder, repository, tag, withoutLinux } = readArguments();
const page = `https://github.com/${repository}`;
const scratch = fs.mkdtempSync(join(tmpdir(), 'release-'));
process.once('exit', () => fs.rmSync(scratch, { recursive: true, force: true }));
await makeFiles();

async function makeFiles() {
  write('release-notes.md', notes());
  packForNpm();
  packChart();
  node(['tools/publish-dashboards.mjs', `${page}/blob/v${product.version}/docs/runbook.md`, folder]);
  const libraries = await bundledLibraries();
  write('THIRD-PARTY-NOTICES.txt', noticesOf(libraries));
  write(`${name}.cdx.json`, bill(libraries));
  if (!withoutLinux) packForLinux(libraries);
  fillTemplates();
  writeChecksums();
}

function readArguments() {
  const options = /** @type {const} */ ({
    repository: { type: 'string' },
    tag: { type: 'string' },
    'without-linux': { type: 'boolean' },
  });
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const [into, ...more] = positionals;
  const named = values.repository ?? process.env.GITHUB_REPOSITORY ?? '';
  if (into === undefined || more.length > 0) fail(USAGE);
  if (!/^[\w.-]+\/[\w.-]+$/.test(named))
    fail(`The files name their address: add --repository OWNER/NAME.\n${USAGE}`);
  fs.mkdirSync(into, { recursive: true });
  if (fs.readdirSync(into).length > 0)
    fail(`${into} is not empty: files of another release would be published.`);
  return { folder: resolve(into), repository: named, tag: values.tag, withoutLinux: values['without-linux'] };
}

/** The section of this version in the changelog; without a tag, the first section. */
function notes() {
  const changelog = text('CHANGELOG.md');
  if (tag === undefined) return `${changelog.split(/^## .*$/m)[1]?.trim()}\n`;
  const { notes: section, wrong } = releaseNotes(tag, namedVersions(), changelog);
  if (wrong !== undefined) fail(`Not a release: ${wrong}.`);
  return section;
}

/** The package names its repository, which npm compares with the provenance, and nothing that only developers use. */
function packForNpm() {
  const first = packed(root, scratch);
  run('tar', ['-xzf', first, '-C', scratch]);
  const unpacked = join(scratch, 'package');
  run('npm', ['pkg', 'set', 'repository.type=git', `repository.url=git+${page}.git`], { cwd: unpacked });
  run('npm', ['pkg', 'delete', 'scripts', 'devDependencies'], { cwd: unpacked });
  packed(unpacked, folder);
}

/** @param {string} from @param {string} into */
function packed(from, into) {
  run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', into], { cwd: from });
  return join(into, `${name}.tgz`);
}

/** Packed once more, because Helm names the file like npm's and puts the time into it. */
function packChart() {
  const own = join(goPrograms, 'helm');
  const helm = process.env.HELM || (fs.existsSync(own) ? own : 'helm');
  const into = join(scratch, 'chart');
  const image = `ghcr.io/${repository.toLowerCase()}`;
  node(['tools/package-chart.mjs', image, into], { HELM: helm });
  run('tar', ['-xzf', join(into, `${name}.tgz`), '-C', into]);
  archive(`${product.name}-chart-${product.version}.tgz`, into);
}

/** Archives the folder with the product's name. @param {string} file @param {string} parent */
function archive(file, parent) {
  writeArchive(join(folder, file), parent, product.name, Date.parse(committedAt()) / 1000);
}

function committedAt() {
  return run('git', ['show', '--no-patch', '--format=%cI'], { cwd: root }).trim();
}

/** They contain Node.js. @param {readonly string[]} libraries */
function packForLinux(libraries) {
  node(['tools/release/artifacts.mjs', folder], { GITHUB_REPOSITORY: repository });
  write(`${name}-linux.cdx.json`, bill(libraries, NODE_VERSION));
}

/** @param {readonly string[]} libraries @param {string} [node] */
function bill(libraries, node) {
  const { packages } = JSON.parse(text('package-lock.json'));
  const release = { time: committedAt(), repository, node };
  return `${JSON.stringify(billOfMaterials(product, libraries, packages, release), null, 2)}\n`;
}

/** The files for Homebrew, Nix and the AUR, which name the package for npm and its checksum. */
function fillTemplates() {
  const values = {
    VERSION: product.version,
    // pacman allows no hyphen.
    PKGVER: product.version.replace('-', '_'),
    REPOSITORY: repository,
    URL: `${page}/releases/download/v${product.version}/${name}.tgz`,
    SHA256: checksumOf(`${name}.tgz`),
  };
  const filled = (path) =>
    text(path).replace(/@([A-Z\d]+)@/g, (_, key) => values[key] ?? fail(`${path}: @${key}@`));
  write(`${product.name}.rb`, filled('deploy/homebrew/llama-router-exporter.rb.in'));
  write(`${product.name}.nix`, filled('deploy/nix/llama-router-exporter.nix.in'));
  const aur = join(scratch, product.name);
  fs.mkdirSync(aur);
  fs.writeFileSync(join(aur, 'PKGBUILD'), filled('deploy/aur/PKGBUILD.in'));
  fs.writeFileSync(
    join(aur, '.SRCINFO'),
    run(join(root, 'tools/release/srcinfo.sh'), [join(aur, 'PKGBUILD')]),
  );
  archive(`${name}-aur.tar.gz`, scratch);
}

/** Of everything except the notes, as `sha256sum --check` reads it. */
function writeChecksums() {
  const files = fs.readdirSync(folder).filter((file) => file !== 'release-notes.md');
  write('SHA256SUMS', files.map((file) => `${checksumOf(file)}  ${file}\n`).join(''));
  for (const file of files) {
    const size = (fs.statSync(join(folder, file)).size / 1e6).toFixed(3);
    console.log(`${size.padStart(9)} MB  ${file}`);
  }
}

/** @param {string} file */
function checksumOf(file) {
  return createHash('sha256')
    .update(fs.readFileSync(join(folder, file)))
    .digest('hex');
}

/** @param {string} path */
function text(path) {
  return fs.readFileSync(join(root, path), 'utf8');
}

/** @param {string} file @param {string} content */
function write(file, content) {
  fs.writeFileSync(join(folder, file), content);
}

/** Runs a script of this repository. @param {readonly string[]} args @param {Record<string, string>} [env] */
function node(args, env) {
  run(process.execPath, args, { cwd: root, env });
}

/** @param {string} message @returns {never} */
function fail(message) {
  console.error(message);
  process.exit(1);
}
