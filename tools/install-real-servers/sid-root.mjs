// llama-server and the new pair come from Debian unstable, in a root of its own: its libc is newer than the
// machine's, and nothing of it touches the machine.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { debianMirror } from './debian-mirror.mjs';
import { isMade, makeOnce } from './made-once.mjs';
import { aptInstall, Missing, run, succeeds } from './shell.mjs';

const suite = 'sid';
const packages = ['llama.cpp-tools', 'prometheus', 'prometheus-alertmanager', 'docker-compose'];

/** What the root was made from; a root made from something else is made again. */
const recipe = `${suite} ${packages.join(' ')}\n`;

/** debootstrap mounts and forks: in namespaces that die with us, an interrupted run leaves neither behind. */
const dyingWithUs = '--pdeathsig KILL unshare --mount --pid --fork --kill-child --mount-proc'.split(' ');

export function sidRootMissing(root) {
  return !isMade(root, recipe);
}

/** Takes half a minute and 500 MB. Interrupted, it leaves only a folder that the next run sweeps away. */
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

/** Whoever mounted /dev in an old root by hand would see the machine's own /dev removed with it. */
function refuseMounts(root) {
  const mounted = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point.startsWith(`${root}/`));
  if (mounted.length === 0) return;
  throw new Missing(
    `${root} is to be made anew, but something is mounted in it. Run: umount ${mounted.join(' ')}`,
  );
}
