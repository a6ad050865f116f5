// An npm registry with one package, which is that of a release: `npm install` and `npx` run as they do with the public one.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { takeTask } from './support/task.mjs';

takeTask(start);

/** @param {{ tarball: string, manifest: { name: string, version: string, bin: object } }} task */
function start({ tarball, manifest }) {
  const bytes = readFileSync(tarball);
  const integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
  const server = createServer(({ url, headers }, response) => {
    if (url === '/package.tgz') return response.end(bytes);
    const dist = { integrity, tarball: `http://${headers.host}/package.tgz` };
    const { name, version } = manifest;
    const versions = { [version]: { ...manifest, dist } };
    return response.end(JSON.stringify({ name, 'dist-tags': { latest: version }, versions }));
  });
  server.listen(0, '127.0.0.1', () => {
    const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
    process.send?.({ url: `http://127.0.0.1:${port}/` });
  });
}
