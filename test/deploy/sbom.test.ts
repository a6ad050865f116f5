import { expect, it } from '@jest/globals';
import { billOfMaterials } from '../../tools/sbom.mjs';

const product = { name: 'exporter', version: '1.2.0', description: 'An exporter', license: 'MIT' };
const integrity = `sha512-${Buffer.from('sum').toString('base64')}`;
const locked = {
  'node_modules/a': {
    version: '1.0.0',
    license: 'ISC',
    integrity,
    dependencies: { b: '^2.0.0', c: '^3.0.0' },
  },
  'node_modules/a/node_modules/b': { version: '2.5.0', license: 'MIT OR Apache-2.0', integrity },
  'node_modules/b': { version: '1.9.0', license: 'MIT', integrity },
  'node_modules/@scope/d': { version: '4.0.0', license: 'MIT', integrity, dependencies: { b: '^1.0.0' } },
};
const time = '2026-12-01T00:00:00Z';

it('lists the libraries of the bundle with version, licence, checksum and what they need of each other', () => {
  const folders = ['node_modules/@scope/d', 'node_modules/a', 'node_modules/a/node_modules/b'];
  const bill = billOfMaterials(product, folders, locked, { time, repository: 'owner/name' });
  const hashes = [{ alg: 'SHA-512', content: Buffer.from('sum').toString('hex') }];
  expect(bill).toMatchObject({
    specVersion: '1.6',
    metadata: { timestamp: time, component: { purl: 'pkg:npm/exporter@1.2.0' } },
    components: [
      { group: '@scope', name: 'd', version: '4.0.0', purl: 'pkg:npm/%40scope/d@4.0.0', hashes },
      { name: 'a', version: '1.0.0', licenses: [{ license: { id: 'ISC' } }], hashes },
      { name: 'b', version: '2.5.0', licenses: [{ expression: 'MIT OR Apache-2.0' }], hashes },
    ],
    dependencies: [
      {
        ref: 'pkg:npm/exporter@1.2.0',
        dependsOn: ['pkg:npm/%40scope/d@4.0.0', 'pkg:npm/a@1.0.0', 'pkg:npm/b@2.5.0'],
      },
      { ref: 'pkg:npm/%40scope/d@4.0.0', dependsOn: [] },
      { ref: 'pkg:npm/a@1.0.0', dependsOn: ['pkg:npm/b@2.5.0'] },
      { ref: 'pkg:npm/b@2.5.0', dependsOn: [] },
    ],
  });
});

it('lists Node.js where it is in the file', () => {
  expect(billOfMaterials(product, [], locked, { time, node: '24.1.0' })).toMatchObject({
    components: [{ type: 'platform', name: 'node', version: '24.1.0', purl: 'pkg:generic/node@24.1.0' }],
    dependencies: [{ dependsOn: ['pkg:generic/node@24.1.0'] }],
  });
});

it('a library that the lockfile does not have ends the release', () => {
  expect(() => billOfMaterials(product, ['node_modules/e'], locked)).toThrow('run npm ci');
});
