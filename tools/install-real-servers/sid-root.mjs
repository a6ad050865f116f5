// llama-server and the new pair come from Debian unstable, in a root of its own: its libc is newer than the
// machine's, and nothing of it touches the machine.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { debianMirror } from './debian-mirror.mjs';
import { aptInstall, Missing, run, succeeds } from './shell.mjs';

const suite = 'sid';
const packages = ['llama.cpp-tools', 'prometheus', 'prometheus-alertmanager', 'docker-compose'];

/** What the root was made from; a root made from something else is made again. */
const recipe = `${suite} ${packages.join(' ')}\n`;
const stamp = '.made-from';

/** debootstrap mounts and forks: in namespaces that die with us, an interrupted run leaves neither behind. */
const dyingWithUs = '--pdeathsig KILL unshare --mount --pid --fork --kill-child --mount-proc'.split(' ');

export function sidRootMissing(root) {
  const made = join(root, stamp);
  return !existsSync(made) || readFileSync(made, 'utf8') !== recipe;
}

/** Takes half a minute and 500 MB. Interrupted, it leaves only a folder that the next run sweeps away. */
export function installSidRoot(root) {
  const mirror = debianMirror();
  if (!succeeds('debootstrap', ['--version'])) aptInstall(['debootstrap']);
  mkdirSync(dirname(root), { recursive: true });
  sweep(root);
  refuseMounts(root);
  const partial = `${root}.partial.${process.pid}`;
  console.error(`Making a Debian ${suite} root with ${packages.join(', ')} from ${mirror}…`);
  try {
    const what = ['--variant=minbase', `--include=${packages.join(',')}`, suite, partial, mirror];
    run('setpriv', [...dyingWithUs, 'debootstrap', ...what]);
    rmSync(join(partial, 'var/cache/apt/archives'), { recursive: true, force: true });
    writeFileSync(join(partial, stamp), recipe);
    // Another test run may have been faster, and use its root already.
    if (!sidRootMissing(root)) return;
    rmSync(root, { recursive: true, force: true });
    renameSync(partial, root);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
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

/** Removes what an interrupted run left, by the process id in its name. */
function sweep(root) {
  for (const name of readdirSync(dirname(root))) {
    const [, pid] = name.split(`${basename(root)}.partial.`);
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    rmSync(join(dirname(root), name), { recursive: true, force: true });
  }
}
