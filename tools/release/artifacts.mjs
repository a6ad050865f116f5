// Makes what a release has for Linux machines without Node.js: `npm run release:artifacts -- OUT [amd64] [arm64]`.
// For each architecture a .tar.gz with the executable, a .deb and an .rpm; needs Linux, dpkg-deb and rpmbuild.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { bundledLibraries, bundleIntoOneFile, noticesOf } from '../build.mjs';
import { writeDeb } from './deb.mjs';
import { noteContent, writeExecutable } from './executable.mjs';
import { downloadNode, NODE_VERSION } from './node.mjs';
import { NAME, ROOT } from './package-files.mjs';
import { writeRpm } from './rpm.mjs';
import { run } from './run.mjs';
import { writeTarball } from './tarball.mjs';

/**
 * @typedef {{ version: string, homepage: string, time: number }} Release `time`: seconds since epoch
 * @typedef {{ architecture: 'amd64' | 'arm64', executable: string, notices: string, release: Release }} Parts
 */

/** Debian's names of architectures, and those of Node.js. */
const architectures = { amd64: 'x64', arm64: 'arm64' };

const [out, ...wanted] = process.argv.slice(2);
if (out === undefined) throw new Error('Usage: npm run release:artifacts -- OUT [amd64] [arm64]');
mkdirSync(out, { recursive: true });
const scratch = mkdtempSync(join(tmpdir(), `${NAME}-release-`));
try {
  await makeArtifacts(resolve(out), wanted.length > 0 ? wanted : Object.keys(architectures));
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

async function makeArtifacts(folder, names) {
  await bundleIntoOneFile(join(scratch, 'main.cjs'));
  const own = downloadNode(process.arch, scratch);
  const notices = [
    noticesOf(await bundledLibraries()),
    `Node.js ${NODE_VERSION}\n\n${readFileSync(own.license, 'utf8')}`,
  ].join(`\n${'-'.repeat(80)}\n\n`);
  const release = releaseOfCheckout();
  for (const architecture of names) {
    const cpu = architectures[architecture];
    if (cpu === undefined)
      throw new Error(`"${architecture}" is none of ${Object.keys(architectures).join(', ')}`);
    const isOwn = cpu === process.arch;
    const { program } = isOwn ? own : downloadNode(cpu, scratch);
    const executable = join(scratch, `${NAME}-${architecture}`);
    writeExecutable(executable, program, noteContent(scratch, 'main.cjs', own.program, isOwn));
    const parts = { architecture, executable, notices, release };
    const file = (ending) => join(folder, `${NAME}_${release.version}_linux_${architecture}.${ending}`);
    writeTarball(file('tar.gz'), parts, scratch);
    writeDeb(file('deb'), parts, scratch);
    writeRpm(file('rpm'), parts, scratch);
  }
}

/** @returns {Release} */
function releaseOfCheckout() {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const repository = process.env.GITHUB_REPOSITORY;
  if (!repository) throw new Error('The packages name their address: set GITHUB_REPOSITORY=OWNER/NAME');
  const time = process.env.SOURCE_DATE_EPOCH ?? run('git', ['-C', ROOT, 'log', '-1', '--format=%ct']);
  return { version, homepage: `https://github.com/${repository}`, time: Number(time) };
}
