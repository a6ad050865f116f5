// Bundles the program and its libraries into dist/, where it needs nothing but Node: `node tools/build.mjs`.
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { billOfMaterials } from './sbom.mjs';

const root = fileURLToPath(new URL('../', import.meta.url));

/**
 * What is left of a library in place of its index, which imports the whole library. A name that is missing here ends
 * the build.
 */
const PARTS = {
  // Without fetch, WebSocket, caches and mocks.
  undici: `
    import Dispatcher from 'undici/lib/dispatcher/dispatcher.js';
    import request from 'undici/lib/api/api-request.js';
    export { default as Client } from 'undici/lib/dispatcher/client.js';
    export { default as Pool } from 'undici/lib/dispatcher/pool.js';
    export { default as buildConnector } from 'undici/lib/core/connect.js';
    Dispatcher.prototype.request = request;`,
  // express.json and the like are not used: src/http/body.ts reads bodies.
  'body-parser': 'module.exports = {};',
  // Exemplars and summaries of prom-client, which reads the process metrics only.
  '@opentelemetry/api': 'module.exports = {};',
  tdigest: 'module.exports = {};',
  // debug, which Express has, colours its output where another program has brought this library.
  'supports-color': 'module.exports = {};',
  // Express would look up types by file extension: the routes name theirs in full.
  'mime-db': 'module.exports = {};',
};

/** Libraries that are run at their first use instead of at the start: many commands need none of them. */
const LAZY = ['yaml', 're2js'];

/** @type {import('esbuild').Plugin} */
const lazyLibraries = {
  name: 'lazy-libraries',
  setup({ onResolve, onLoad }) {
    const names = new RegExp(`^(${LAZY.join('|')})$`);
    onResolve({ filter: names }, ({ path, namespace }) =>
      namespace === 'lazy' ? undefined : { path, namespace: 'lazy' },
    );
    onLoad({ filter: names, namespace: 'lazy' }, async ({ path }) => {
      const { default: _, ...library } = await import(path);
      const getters = Object.keys(library).map(
        (name) => `get ${name}() { return require('${path}').${name}; }`,
      );
      return { contents: `module.exports = { ${getters.join(', ')} };`, resolveDir: root };
    });
  },
};

/**
 * Where the program has several files, each of these libraries is one of them, which is read at the first use.
 * @type {import('esbuild').Plugin}
 */
const lazyFiles = {
  name: 'lazy-files',
  setup({ onResolve }) {
    onResolve({ filter: /^\w+$/, namespace: 'lazy' }, ({ path }) => ({
      path: `./${path}.cjs`,
      external: true,
    }));
  },
};

/** @type {import('esbuild').Plugin} */
const onlyUsedParts = {
  name: 'only-used-parts',
  setup({ onResolve, onLoad }) {
    const names = new RegExp(`^(${Object.keys(PARTS).join('|')})$`);
    onResolve({ filter: names }, ({ path }) => ({ path, namespace: 'parts' }));
    onLoad({ filter: names, namespace: 'parts' }, ({ path }) => ({
      contents: PARTS[path],
      resolveDir: root,
    }));
    // undici speaks HTTP/2 only when asked to, and needs fetch only to send forms.
    onLoad({ filter: /undici\/lib\/(dispatcher\/client-h2|web\/fetch\/body)\.js$/ }, () => ({
      contents: 'module.exports = {};',
    }));
  },
};

const READ = /readFileSync\(new URL\('(?<path>[^']+)', import\.meta\.url\), 'utf8'\)/g;

/**
 * Puts the text of files into the program that reads them at its start; the libraries of a script for a thread
 * (`.cjs`) go with it.
 * @type {import('esbuild').Plugin}
 */
const embeddedFiles = {
  name: 'embedded-files',
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, async ({ path: source }) => {
      const text = readFileSync(source, 'utf8');
      const files = [...text.matchAll(READ)].map(({ groups }) => resolve(dirname(source), groups.path));
      if (files.length === 0) return undefined;
      const texts = await Promise.all(
        files.map((file) => (file.endsWith('.cjs') ? bundled(file) : readFileSync(file, 'utf8'))),
      );
      return {
        loader: 'ts',
        contents: text.replaceAll(READ, () => JSON.stringify(texts.shift())),
        watchFiles: files,
      };
    });
  },
};

/**
 * Each of these parts of the program is imported after the ones before it. A part names those that came before it, so that the
 * bundler puts what they share into few files: to read forty small files took a tenth of the time of `list`.
 */
const ORDER = ['cli', 'command-line', 'list'].map((name) => join(root, `src/cli/${name}.ts`));

/** These parts do without most of what `list` needs; all other ones are treated as if they came after it. */
const WITHOUT_LIST = ['check-config', 'completion/completion', 'simulate'].map((name) =>
  join(root, `src/cli/${name}.ts`),
);

/** @type {import('esbuild').Plugin} */
const fewFiles = {
  name: 'few-files',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /\.ts$/, namespace: 'file' }, ({ path, kind, resolveDir }) =>
      kind === 'dynamic-import' ? { path: resolve(resolveDir, path), namespace: 'later' } : undefined,
    );
    onLoad({ filter: /\.ts$/, namespace: 'later' }, ({ path }) => {
      const at = ORDER.indexOf(path);
      const before = at >= 0 ? ORDER.slice(0, at) : WITHOUT_LIST.includes(path) ? ORDER.slice(0, 2) : ORDER;
      const imports = before.map((file) => `import '${file}';`).join('');
      return { contents: `${imports}export * from '${path}';`, resolveDir: dirname(path) };
    });
  },
};

/** @type {import('esbuild').BuildOptions} */
const COMMON = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20',
  // Names stay as they are, for the stacks of error reports.
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  logLevel: 'warning',
  plugins: [onlyUsedParts, lazyLibraries, embeddedFiles],
};

/** Text of a script with its libraries. @param {string} file */
async function bundled(file) {
  const { outputFiles } = await build({ ...COMMON, entryPoints: [file], format: 'cjs', write: false });
  return outputFiles[0].text;
}

/**
 * Bundles the program into a folder: `main.mjs`, and files that it imports for the command at hand.
 * @param {string} folder
 */
export async function bundleProgram(folder) {
  rmSync(folder, { recursive: true, force: true });
  await build({
    ...COMMON,
    plugins: [fewFiles, lazyFiles, ...COMMON.plugins],
    entryPoints: ['src/main.ts'],
    format: 'esm',
    splitting: true,
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    // For libraries in CommonJS.
    banner: {
      js: "import{createRequire as requireOf}from'node:module';const require=requireOf(import.meta.url);",
    },
  });
  await build({
    ...COMMON,
    plugins: [],
    entryPoints: LAZY.map((library) => ({ in: library, out: library })),
    format: 'cjs',
    outdir: folder,
    outExtension: { '.js': '.cjs' },
  });
}

/**
 * Bundles the program into one CommonJS file, as a single executable needs it.
 * @param {string} file
 */
export async function bundleIntoOneFile(file) {
  await build({ ...COMMON, entryPoints: ['src/main.ts'], format: 'cjs', outfile: file });
}

/** The folders of the libraries that are in the program. */
export async function bundledLibraries() {
  const files = readdirSync(join(root, 'src'), { recursive: true });
  const threads = files.filter((file) => file.endsWith('.cjs')).map((file) => `src/${file}`);
  const { metafile } = await build({
    ...COMMON,
    entryPoints: ['src/main.ts', ...threads],
    outdir: 'dist',
    metafile: true,
    write: false,
  });
  const folders = Object.keys(metafile.inputs).flatMap(
    (path) => /.*node_modules\/(@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? [],
  );
  return [...new Set(folders)].sort();
}

/** The licences of all libraries. @param {readonly string[]} folders */
export function noticesOf(folders) {
  return folders
    .map((folder) => {
      const { name, version, license } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
      const file = readdirSync(join(root, folder)).find((each) => /^licen[cs]e/i.test(each));
      if (file === undefined) throw new Error(`${name} has no licence file: add its text here`);
      return `${name} ${version} (${license})\n\n${readFileSync(join(root, folder, file), 'utf8').trim()}\n`;
    })
    .join(`\n${'-'.repeat(80)}\n\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [folder, made] = [join(root, `.build/dist.${process.pid}`), join(root, 'dist')];
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  await bundleProgram(folder);
  const libraries = await bundledLibraries();
  writeFileSync(join(folder, 'THIRD-PARTY-NOTICES.txt'), noticesOf(libraries));
  // Scanners read it in place of a lockfile.
  const [product, { packages }] = ['package.json', 'package-lock.json'].map((file) =>
    JSON.parse(readFileSync(join(root, file), 'utf8')),
  );
  const bill = billOfMaterials(product, libraries, packages);
  writeFileSync(join(folder, 'sbom.cdx.json'), `${JSON.stringify(bill, null, 2)}\n`);
  // At once: tests that run at the same time start the program.
  rmSync(made, { recursive: true, force: true });
  renameSync(folder, made);
}
