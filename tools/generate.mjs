// Writes the generated files; with --check, lists those that differ from what would be generated.
// Needs the builds of src and grafana/src: `npm run generate`. To generate another file, add it to a list.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withCopies } from './copies.mjs';
import { withSamples } from './samples.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const chart = 'deploy/helm/llama-router-exporter';

/** Each export is a function without arguments that returns the whole text and is deterministic. */
const GENERATED = [
  {
    file: 'docs/configuration.md',
    module: './configuration-document.mjs',
    export: 'configurationDocument',
  },
  { file: 'docs/openapi.json', module: '../.build/src/http/openapi/openapi.js', export: 'openapiDocument' },
  { file: 'docs/metrics.md', module: './metrics-document.mjs', export: 'metricsDocument' },
  {
    file: 'docs/supply-chain.md',
    module: './supply-chain-document.mjs',
    export: 'supplyChainDocument',
  },
  { file: 'docs/alerts.md', module: './alerts-document.mjs', export: 'alertsDocument' },
  ...['overview', 'model', 'memory', 'operations', 'exporter'].map((name) => ({
    file: `grafana/dashboards/${name}.json`,
    module: '../grafana/build/grafana/src/document.js',
    export: `${name}Dashboard`,
  })),
  { file: 'man/llama-router-exporter.1', module: './man-page.mjs', export: 'manPage' },
  ...Object.entries({
    bash: 'llama-router-exporter.bash',
    zsh: '_llama-router-exporter',
    fish: 'llama-router-exporter.fish',
  }).map(([shell, name]) => ({
    file: `completions/${name}`,
    module: `../.build/src/cli/completion/${shell}.js`,
    export: `${shell}Completion`,
  })),
  { file: `${chart}/Chart.yaml`, module: './chart-manifest.mjs', export: 'chartManifest' },
  { file: `${chart}/values.schema.json`, module: './chart-schema.mjs', export: 'chartSchema' },
  { file: `${chart}/README.md`, module: './chart-document.mjs', export: 'chartDocument' },
];

/** Helm reads no file outside its chart, and jsonnet-bundler installs only the mixin's folder: they hold exact copies. */
const COPIED = [`${chart}/files`, 'mixin'].flatMap((into) => [
  { from: 'prometheus/rules', to: `${into}/rules` },
  { from: 'grafana/dashboards', to: `${into}/dashboards` },
]);

/** Written by hand, with samples that are generated: see samples.mjs. */
const SAMPLED = ['README.md', 'docs/unload.md'];

/** Written by hand, with copies of parts of other files: see copies.mjs. */
const COPYING = [
  'openwebui/router_exporter_pipeline.py',
  'openwebui/unload_models_action.py',
  'comfyui/gpu_memory_nodes.py',
].map((name) => `integrations/${name}`);

/** Written by hand, except for the version after these words. */
const VERSIONED = [
  { file: 'Dockerfile', words: 'ARG VERSION=' },
  { file: 'docker-compose.yml', words: 'image: llama-router-exporter:' },
];

const check = process.argv.includes('--check');
const drifted = [];

for (const { file, module, export: name } of GENERATED) {
  const built = new URL(module, import.meta.url);
  if (!existsSync(built))
    fail(`${file} needs ${fileURLToPath(built)}, which is missing. Run npm run generate.`);
  const { [name]: generate } = await import(built.href);
  write(file, await generate());
}

for (const { from, to } of COPIED) {
  const names = readdirSync(`${root}${from}`);
  for (const name of names) write(`${to}/${name}`, readFileSync(`${root}${from}/${name}`, 'utf8'));
  const left = existsSync(`${root}${to}`) ? readdirSync(`${root}${to}`) : [];
  for (const name of left.filter((name) => !names.includes(name))) remove(`${to}/${name}`);
}

for (const file of SAMPLED) write(file, withSamples(file));
for (const file of COPYING) write(file, withCopies(file));

const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
for (const { file, words } of VERSIONED) {
  const [before, rest, ...more] = readFileSync(`${root}${file}`, 'utf8').split(words);
  if (rest === undefined || more.length > 0) fail(`${file} must contain '${words}' exactly once.`);
  write(file, `${before}${words}${rest.replace(/^\S+/, version)}`);
}

if (check && drifted.length > 0) {
  fail(`Out of date: ${drifted.join(', ')}. Run npm run generate and commit the result.`);
}

function write(file, text) {
  const target = `${root}${file}`;
  if (existsSync(target) && readFileSync(target, 'utf8') === text) return;
  drifted.push(file);
  if (check) return;
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, text);
  console.log(`wrote ${file}`);
}

function remove(file) {
  drifted.push(file);
  if (check) return;
  rmSync(`${root}${file}`);
  console.log(`removed ${file}`);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
