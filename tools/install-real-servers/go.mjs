// Provides a Go toolchain that is new enough. If Debian's is too old, it comes from Go's module proxy.
import { chmodSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { aptInstall, Missing, run, succeeds } from './shell.mjs';

/** The newest version that a program requires in its go.mod, and a release of it. */
const needed = [1, 26];
const toolchain = 'go1.26.8';

const nodeToGo = { x64: 'amd64', arm64: 'arm64' };

/** The program `go` with its environment; downloads and builds go to `scratch`. */
export function usableGo(scratch) {
  mkdirSync(scratch, { recursive: true });
  const env = {
    GOPATH: join(scratch, 'path'),
    GOMODCACHE: join(scratch, 'modules'),
    GOCACHE: join(scratch, 'build'),
    // Otherwise modules are read-only and cannot be removed.
    GOFLAGS: '-modcacherw -trimpath',
    // Needs no C compiler; the programs run anywhere.
    CGO_ENABLED: '0',
    // Go must not download toolchains itself.
    GOTOOLCHAIN: 'local',
  };
  const present = ['go', '/usr/local/go/bin/go', '/usr/lib/go/bin/go'].find((go) =>
    succeeds(go, ['version']),
  );
  if (present === undefined) aptInstall(['golang-go']);
  const go = present ?? 'go';
  if (isNewEnough(run(go, ['version'], env))) return { go, env };
  const root = newerRoot(go, env);
  // The new toolchain must not use the old GOROOT.
  return { go: join(root, 'bin', 'go'), env: { ...env, GOROOT: root } };
}

function isNewEnough(said) {
  const [, major = 0, minor = 0] = /go(\d+)\.(\d+)/.exec(said) ?? [];
  return Number(major) > needed[0] || (Number(major) === needed[0] && Number(minor) >= needed[1]);
}

/** Downloads the toolchain with the old one, which checks it against Go's checksum database. */
function newerRoot(old, env) {
  const arch = nodeToGo[process.arch];
  if (arch === undefined) throw new Missing(`no Go toolchain for ${process.arch} is known: install Go 1.26.`);
  const module = `golang.org/toolchain@v0.0.1-${toolchain}.linux-${arch}`;
  console.error(`Downloading ${toolchain}, because the installed Go is older…`);
  const { Dir: root } = JSON.parse(run(old, ['mod', 'download', '-json', module], env));
  const programs = [join(root, 'bin'), join(root, 'pkg', 'tool', `linux_${arch}`)].filter(existsSync);
  for (const folder of programs) for (const name of readdirSync(folder)) chmodSync(join(folder, name), 0o755);
  return root;
}
