// llama-server and the newer Prometheus and Alertmanager come from Debian unstable, in a separate root with its own libc.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { debianMirror } from './debian-mirror.mjs';
import { isMade, makeOnce } from './made-once.mjs';
import { aptInstall, Missing, run, succeeds } from './shell.mjs';

const suite = 'sid';
const packages = ['llama.cpp-tools', 'prometheus', 'prometheus-alertmanager', 'docker-compose'];

/** The recipe of the root; after a change it is created again. */
const recipe = `${suite} ${packages.join(' ')}\n`;

/** debootstrap mounts and forks; in namespaces, an interrupted run leaves neither behind. */
const dyingWithUs = '--pdeathsig KILL unshare --mount --pid --fork --kill-child --mount-proc'.split(' ');

export function sidRootMissing(root) {
  return !isMade(root, recipe);
}

/** Takes 30 s and 500 MB. */
export function installSidRoot(root) {
  const mirror = debianMirror();
  if (!succeeds('debootstrap', ['--version'])) aptInstall(['debootstrap']);
  refuseMounts(root);
  console.error(`Making a Debian ${suite} root with ${packages.join(', ')} from ${mirror}…`);
  makeOnce(root, recipe, (partial) => {
    const what = ['--variant=minbase', `--include=${packages.join(',')}`, suite, partial, mirror];
    run('setpriv', [...dyingWithUs, 'debootstrap', ...what]);
    rmSync(join(partial, 'var/cache/apt/archives'), { recursive: true, force: true });
  });
}

/** If /dev was mounted in an old root by hand, removing the root would remove the machine's /dev. */
function refuseMounts(root) {
  const mounted = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point.startsWith(`${root}/`));
  if (mounted.length === 0) return;
  throw new Missing(
    `${root} must be created again, but something is mounted in it. Run: umount ${mounted.join(' ')}`,
  );
}
