// Installs everything that the end-to-end tests start: llama-server, two generations of Prometheus and Alertmanager, nginx,
// and the tools that check chart and workflows. Takes 60 ms if all of it is installed.
// Runs from jest's globalSetup, or by hand as `node tools/install-real-servers.mjs`. Arguments are other builds of llama-server,
// which nothing else installs: `b9093 b10092 b10434`.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { goProgramsMissing, installGoPrograms } from './install-real-servers/go-programs.mjs';
import { buildMissing, buildNamed, installBuild } from './install-real-servers/llama-server-builds.mjs';
import { installMachinePrograms, machineProgramsMissing } from './install-real-servers/machine-programs.mjs';
import { sidRoot } from './install-real-servers/places.mjs';
import { Missing, requireRoot, succeeds } from './install-real-servers/shell.mjs';
import { installSidRoot, sidRootMissing } from './install-real-servers/sid-root.mjs';

/** Installs what is missing. Throws `Missing` with advice if that is impossible. */
export function installRealServers() {
  if (process.platform !== 'linux') {
    throw new Missing('the end-to-end tests need Linux: they look into /proc and start Debian programs.');
  }
  requireRoot('The end-to-end tests start servers in a Debian root (chroot, mount namespace)');
  if (!succeeds('unshare', ['--mount', 'true'])) {
    throw new Missing(
      'this machine does not let us make a mount namespace (`unshare --mount true` fails).\n' +
        'In a container, give it the capability SYS_ADMIN (docker run --cap-add SYS_ADMIN).',
    );
  }
  const own = process.env.LLAMA_SERVER_BIN;
  if (own && !existsSync(own)) throw new Missing(`LLAMA_SERVER_BIN names ${own}, which does not exist.`);
  const build = process.env.LLAMA_SERVER_BUILD;
  if (build && buildMissing(buildNamed(build))) {
    throw new Missing(
      `llama-server ${build} is not installed. Run: node tools/install-real-servers.mjs ${build}`,
    );
  }
  if (machineProgramsMissing()) installMachinePrograms();
  if (sidRootMissing(sidRoot)) installSidRoot(sidRoot);
  if (goProgramsMissing()) installGoPrograms();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    installRealServers();
    for (const name of process.argv.slice(2)) installBuild(buildNamed(name));
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
