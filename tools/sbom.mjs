// The software bill of materials: CycloneDX 1.6, https://cyclonedx.org/docs/1.6/json.

/**
 * Lists the libraries of the bundle as package-lock.json records them. The same input gives the same text.
 * @param {{ name: string, version: string, description: string, license: string }} product package.json
 * @param {readonly string[]} folders of the libraries in the bundle, such as `node_modules/zod`
 * @param {Readonly<Record<string, Locked>>} locked `packages` of package-lock.json
 * @param {{ time?: string, repository?: string, node?: string }} release `node`: version of the
 *   Node.js that is in the file, too
 */
export function billOfMaterials(product, folders, locked, { time, repository, node } = {}) {
  const own = `pkg:npm/${product.name}@${product.version}`;
  const libraries = folders.map((folder) => library(folder, locked));
  const refOf = new Map(folders.map((folder, at) => [folder, libraries[at]['bom-ref']]));
  const runtime = node === undefined ? [] : [nodeRuntime(node)];
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      timestamp: time,
      lifecycles: [{ phase: 'build' }],
      component: {
        type: 'application',
        'bom-ref': own,
        name: product.name,
        version: product.version,
        description: product.description,
        licenses: licensesOf(product.license),
        purl: own,
        externalReferences: repository && [{ type: 'vcs', url: `https://github.com/${repository}` }],
      },
    },
    components: [...runtime, ...libraries],
    dependencies: [
      { ref: own, dependsOn: [...runtime, ...libraries].map((each) => each['bom-ref']) },
      ...folders.map((folder) => ({ ref: refOf.get(folder), dependsOn: needsOf(folder, locked, refOf) })),
    ],
  };
}

/** @param {string} folder @param {Readonly<Record<string, Locked>>} locked */
function library(folder, locked) {
  const entry = locked[folder];
  if (entry === undefined)
    throw new Error(`${folder} is in the bundle, but not in package-lock.json: run npm ci`);
  const full = nameOf(folder);
  const [name, group] = full.split('/').toReversed();
  const purl = `pkg:npm/${full.replace('@', '%40')}@${entry.version}`;
  return {
    type: 'library',
    'bom-ref': purl,
    group,
    name,
    version: entry.version,
    scope: 'required',
    hashes: [hashOf(entry.integrity)],
    licenses: licensesOf(entry.license),
    purl,
  };
}

/** @param {string} version */
function nodeRuntime(version) {
  const purl = `pkg:generic/node@${version}`;
  return {
    type: 'platform',
    'bom-ref': purl,
    name: 'node',
    version,
    scope: 'required',
    licenses: licensesOf('MIT'),
    cpe: `cpe:2.3:a:nodejs:node.js:${version}:*:*:*:-:*:*:*`,
    purl,
  };
}

/** @param {string} folder */
const nameOf = (folder) => folder.slice(folder.lastIndexOf('node_modules/') + 'node_modules/'.length);

/** @param {string} license an SPDX identifier or expression */
const licensesOf = (license) =>
  license.includes(' ') ? [{ expression: license }] : [{ license: { id: license } }];

/** @param {string} integrity `sha512-` and base64 */
function hashOf(integrity) {
  const [algorithm, base64] = integrity.split('-');
  if (algorithm !== 'sha512') throw new Error(`integrity '${integrity}' in package-lock.json is not SHA-512`);
  return { alg: 'SHA-512', content: Buffer.from(base64, 'base64').toString('hex') };
}

/**
 * The references of a library's dependencies, where they are in the bundle.
 * @param {string} folder
 * @param {Readonly<Record<string, Locked>>} locked
 * @param {ReadonlyMap<string, string>} refOf
 */
function needsOf(folder, locked, refOf) {
  const refs = Object.keys(locked[folder]?.dependencies ?? {}).map((name) =>
    refOf.get(folderOf(name, folder, locked)),
  );
  return refs.filter((ref) => ref !== undefined);
}

/**
 * The folder of a library as another finds it: in the nearest node_modules.
 * @param {string} name
 * @param {string} from folder of the other
 * @param {Readonly<Record<string, Locked>>} locked
 */
export function folderOf(name, from, locked) {
  let base = `${from}/`;
  while (base !== '' && locked[`${base}node_modules/${name}`] === undefined)
    base = base.slice(0, base.lastIndexOf('node_modules/'));
  return locked[`${base}node_modules/${name}`] && `${base}node_modules/${name}`;
}

/** @typedef {{ version: string, license: string, integrity: string, dependencies?: Record<string, string> }} Locked */
