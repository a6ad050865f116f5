// Runs the suite for a real NVIDIA card (test/gpu), or packs it for a machine without network:
//   npm run test:gpu                          on a machine where nvidia-smi works
//   npm run test:gpu -- --pack gpu-test.tar.xz    there: tar -xf gpu-test.tar.xz && ./gpu-test/run
// It uses llama-server b10434 with Vulkan, or LLAMA_SERVER_BIN with its libraries in the same folder, and Alertmanager, or
// ALERTMANAGER_BIN.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildNamed, programOf } from './install-real-servers/llama-server-builds.mjs';
import { succeeds } from './install-real-servers/shell.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const suite = 'test/gpu/build/test/gpu/gpu.test.js';

/** Debian's Alertmanager reads them here; others have them built in. */
const templates = '/usr/share/prometheus/alertmanager';

const { values } = parseArgs({ options: { pack: { type: 'string' } } });
const programs = { llamaServer: llamaServer(), alertmanager: alertmanager() };
if (values.pack === undefined) run(programs);
else pack(resolve(values.pack), programs);

function run(programs) {
  if (!succeeds('nvidia-smi', ['-L'])) {
    fail(
      'This machine has no NVIDIA card: `nvidia-smi -L` fails. No test was run.\n' +
        'Pack the suite and carry it to one: npm run test:gpu -- --pack gpu-test.tar.xz',
    );
  }
  const { status } = spawnSync(process.execPath, ['--test', '--test-reporter=spec', join(root, suite)], {
    stdio: 'inherit',
    env: {
      ...process.env,
      LLAMA_SERVER_BIN: programs.llamaServer,
      ALERTMANAGER_BIN: programs.alertmanager,
      EXPORTER_MAIN: join(root, 'dist/main.mjs'),
    },
  });
  process.exitCode = status ?? 1;
}

/** An archive with everything the suite needs but the card and its driver. */
function pack(archive, { llamaServer, alertmanager }) {
  const parent = mkdtempSync(join(tmpdir(), 'gpu-pack-'));
  try {
    const folder = join(parent, 'gpu-test');
    const copy = (from, to) => cpSync(from, join(folder, to), { recursive: true, dereference: true });
    copy(process.execPath, 'bin/node');
    copy(alertmanager, 'bin/alertmanager');
    if (existsSync(templates)) copy(templates, 'templates');
    packServer(llamaServer, join(folder, 'server'));
    for (const path of ['package.json', 'dist', 'test/gpu/build']) copy(join(root, path), path);
    writeFileSync(join(folder, 'run'), starter(basename(llamaServer)));
    chmodSync(join(folder, 'run'), 0o755);
    execFileSync('tar', ['-C', parent, '-cJf', archive, 'gpu-test'], {
      env: { ...process.env, XZ_OPT: '-6 -T0' },
    });
    console.log(`${archive}: ${Math.ceil(statSync(archive).size / 2 ** 20)} MiB`);
  } finally {
    rmSync(parent, { recursive: true, force: true });
  }
}

function starter(server) {
  return `#!/bin/sh
cd "$(dirname "$0")" || exit 1
export LLAMA_SERVER_BIN="$PWD/server/${server}" ALERTMANAGER_BIN="$PWD/bin/alertmanager" EXPORTER_MAIN="$PWD/dist/main.mjs"
if [ -d templates ] && [ ! -e ${templates} ]; then
  mkdir -p ${dirname(templates)} && ln -s "$PWD/templates" ${templates} || exit 1
  trap 'rm ${templates}' EXIT
fi
bin/node --test --test-reporter=spec ${suite}
`;
}

/** The server and the libraries that it and they need and that are in its folder, each under the name it is asked for. */
function packServer(binary, folder) {
  const from = dirname(binary);
  mkdirSync(folder, { recursive: true });
  const libraries = execFileSync('ldd', [binary], {
    encoding: 'utf8',
    env: { ...process.env, LD_LIBRARY_PATH: from },
  });
  const own = [...libraries.matchAll(/=> (\S+)/g)]
    .map(([, path]) => path)
    .filter((path) => dirname(path) === from);
  for (const path of [binary, ...own]) cpSync(path, join(folder, basename(path)), { dereference: true });
}

function llamaServer() {
  const build = buildNamed('b10434');
  const path = process.env.LLAMA_SERVER_BIN || programOf(build);
  if (existsSync(path)) return path;
  fail(
    process.env.LLAMA_SERVER_BIN
      ? `LLAMA_SERVER_BIN names ${path}, which does not exist.`
      : `There is no llama-server for the card. Run: node tools/install-real-servers.mjs ${build.name} (it uses Vulkan),\n` +
          'or set LLAMA_SERVER_BIN.',
  );
}

function alertmanager() {
  const places = [process.env.ALERTMANAGER_BIN, '/usr/bin/prometheus-alertmanager', '/usr/bin/alertmanager'];
  const found = places.find((path) => path && existsSync(path));
  if (!found) fail('There is no Alertmanager: install prometheus-alertmanager, or set ALERTMANAGER_BIN.');
  return found;
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
