// What this project uses of others, why, and on what conditions. test/deploy/supply-chain.test.ts checks it against
// package.json and the lockfiles, and docs/supply-chain.md shows it.
import { folderOf } from './sbom.mjs';

/** Why each library is in the program. */
export const LIBRARIES = {
  bcryptjs: "passwords of Prometheus' web configuration file, which are bcrypt hashes",
  'eventsource-parser': "routers' event streams",
  express: 'routes, page and API',
  'prom-client': 'metrics of the process: CPU, memory, garbage collection',
  re2js: "matchers of alerts in Alertmanager's syntax (RE2), which no input can make slow",
  undici: 'requests to routers: connections, timeouts, streams, Unix sockets',
  yaml: 'configuration and discovery files, with line numbers in messages',
  zod: 'every option and every payload of others, checked at the border',
};

/** Why each other dependency is needed; none of them is in the program. */
export const TOOLS = {
  '@biomejs/biome': 'format and lint',
  '@grafana/grafana-foundation-sdk': 'source of the dashboards',
  '@jest/globals': 'tests',
  '@swc/core': 'TypeScript in tests',
  '@swc/jest': 'TypeScript in tests',
  '@types/express': 'types',
  '@types/node': 'types',
  '@types/supertest': 'types',
  ajv: 'schemas of API, chart and dashboards in tests',
  'ajv-formats': 'the same',
  'axe-core': 'accessibility of the page in tests',
  esbuild: 'bundles the program',
  'fast-check': 'property tests',
  jest: 'tests',
  knip: 'finds unused code and dependencies',
  'playwright-core': 'the page in a browser',
  supertest: 'tests of HTTP routes',
  typescript: 'types',
};

/** Permissive licences: they ask for their text, which is in THIRD-PARTY-NOTICES.txt. */
export const LICENCES = ['MIT', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0'];

/** Those of tools, of which nothing is distributed, may also be these. CC-BY-4.0: caniuse-lite, which is data; MPL-2.0: axe-core. */
export const LICENCES_OF_TOOLS = [...LICENCES, '0BSD', 'BlueOak-1.0.0', 'CC0-1.0', 'CC-BY-4.0', 'MPL-2.0'];

/** Tools with install scripts, and why they work without: the project installs everything with `--ignore-scripts`. */
export const INSTALL_SCRIPTS = {
  '@parcel/watcher': 'compiles itself where its package for the platform is missing',
  '@swc/core': 'checks that there is a binary for the platform',
  esbuild: 'checks that there is a binary for the platform',
  'unrs-resolver': 'checks that there is a binary for the platform',
};

/** The identifiers in an SPDX expression. @param {string} license */
export const identifiersIn = (license) => license.split(/ (?:AND|OR) |[()]/).filter((part) => part !== '');

/** `node_modules/@scope/a` → `@scope/a`. @param {string} folder */
export const nameOf = (folder) => folder.slice(folder.lastIndexOf('node_modules/') + 'node_modules/'.length);

/**
 * The folders of these dependencies and of all that they need, as the lockfile has them.
 * @param {readonly string[]} names
 * @param {Readonly<Record<string, import('./sbom.mjs').Locked>>} locked `packages` of package-lock.json
 */
export function withNeeds(names, locked) {
  const found = new Set();
  const add = (/** @type {string} */ folder) => {
    if (found.has(folder)) return;
    found.add(folder);
    for (const name of Object.keys(locked[folder]?.dependencies ?? {})) {
      const needed = folderOf(name, folder, locked);
      if (needed !== undefined) add(needed);
    }
  };
  for (const name of names) add(`node_modules/${name}`);
  return [...found].sort();
}
