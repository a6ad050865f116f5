// A Go that is new enough. Debian's may be too old; Go's own module proxy has every toolchain as a module.
import { chmodSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { aptInstall, Missing, run, succeeds } from './shell.mjs';

/** What the newest of the programs asks for in its go.mod, and a release of it. */
const needed = [1, 26];
const toolchain = 'go1.26.8';

const nodeToGo = { x64: 'amd64', arm64: 'arm64' };

/** The program `go`, and the environment to run it in: everything it fetches and builds goes into `scratch`. */
export function usableGo(scratch) {
  mkdirSync(scratch, { recursive: true });
  const env = {
    GOPATH: join(scratch, 'path'),
    GOMODCACHE: join(scratch, 'modules'),
    GOCACHE: join(scratch, 'build'),
    // Modules are laid without write bits otherwise, and could not be removed.
    GOFLAGS: '-modcacherw -trimpath',
    // No C compiler is asked for, and what comes out runs anywhere.
    CGO_ENABLED: '0',
    // What is too old is replaced here, once, and not behind our back.
    GOTOOLCHAIN: 'local',
  };
  const present = ['go', '/usr/local/go/bin/go', '/usr/lib/go/bin/go'].find((go) =>
    succeeds(go, ['version']),
  );
  if (present === undefined) aptInstall(['golang-go']);
  const go = present ?? 'go';
  if (isNewEnough(run(go, ['version'], env))) return { go, env };
  const root = newerRoot(go, env);
  // Were GOROOT set to the old one, the new one would read its settings there.
  return { go: join(root, 'bin', 'go'), env: { ...env, GOROOT: root } };
}

function isNewEnough(said) {
  const [, major = 0, minor = 0] = /go(\d+)\.(\d+)/.exec(said) ?? [];
  return Number(major) > needed[0] || (Number(major) === needed[0] && Number(minor) >= needed[1]);
}

/** The toolchain by way of an old one, which checks it against Go's checksum database like any module. */
function newerRoot(old, env) {
  const arch = nodeToGo[process.arch];
  if (arch === undefined) throw new Missing(`there is no Go for ${process.arch} here: install Go 1.26.`);
  const module = `golang.org/toolchain@v0.0.1-${toolchain}.linux-${arch}`;
  console.error(`Fetching ${toolchain}, for Go here is older…`);
  const { Dir: root } = JSON.parse(run(old, ['mod', 'download', '-json', module], env));
  const programs = [join(root, 'bin'), join(root, 'pkg', 'tool', `linux_${arch}`)].filter(existsSync);
  for (const folder of programs) for (const name of readdirSync(folder)) chmodSync(join(folder, name), 0o755);
  return root;
}
