import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { type NameServer, startNameServer } from '../support/dnsmasq.ts';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { freePort } from '../support/free-port.ts';
import { complete, type RealRouter, startRealRouter } from '../support/real-router.ts';
import { makeRunFolder } from '../support/run-folder.ts';

const SRV = '--srv-host=_llama._tcp.test,localhost';

let folder: string;
let router: RealRouter;
let other: RealRouter;
let port: number;
let server: NameServer | undefined;
let exporter: RunningExporter | undefined;

beforeAll(async () => {
  folder = makeRunFolder('discovery');
  port = await freePort();
  router = await startRealRouter({ models: ['tiny-a'], apiKey: 'key-of-the-lab' });
  other = await startRealRouter({ models: ['tiny-b'] });
});

afterAll(async () => {
  await router?.stop();
  await other?.stop();
  rmSync(folder, { recursive: true, force: true });
});

afterEach(async () => {
  await exporter?.stop();
  await server?.stop();
});

async function start(groups: string): Promise<RunningExporter> {
  const file = join(folder, 'config.yml');
  const servers = `dns_servers: ['127.0.0.1:${port}'], interval: 1s`;
  writeFileSync(file, `discovery:\n${groups.replaceAll('SERVERS', servers)}\n`);
  exporter = await startExporter([], { 'config.file': file });
  return exporter;
}

it('follows SRV records with the API key of the group, and keeps them while the name server is down', async () => {
  server = await startNameServer(port, [`${SRV},${router.port}`]);
  const { untilValue, value } = await start(
    '  - { name: lab, dns: [_llama._tcp.test], SERVERS, api_key: key-of-the-lab, labels: { site: lab } }',
  );
  const name = `localhost:${router.port}`;
  await untilValue('llama_router_up', { router: name }, 1);
  await complete(router, 'tiny-a', { tokens: 2 });
  await untilValue('llama_router_model_loads_total', { router: name, model: 'tiny-a' }, 1);
  expect(await value('llama_router_labels', { router: name, label_site: 'lab' })).toBe(1);
  expect(await value('llama_router_discovery_success', { group: 'lab' })).toBe(1);

  await server.stop();
  await untilValue('llama_router_discovery_success', { group: 'lab' }, 0);
  expect(await value('llama_router_up', { router: name })).toBe(1);

  server = await startNameServer(port, [`${SRV},${router.port}`, `${SRV},${other.port}`]);
  await untilValue('llama_router_discovered_routers', { group: 'lab' }, 2);
  // It asks for no key, and does not mind one.
  await untilValue('llama_router_up', { router: `localhost:${other.port}` }, 1);

  await server.stop();
  server = await startNameServer(port, []);
  await untilValue('llama_router_discovered_routers', { group: 'lab' }, 0);
  expect(await value('llama_router_up', { router: name })).toBeUndefined();
  expect(await value('llama_router_discovery_success', { group: 'lab' })).toBe(1);

  await server.stop();
  server = await startNameServer(port, [`${SRV},${router.port}`]);
  await untilValue('llama_router_up', { router: name }, 1);
  expect(await value('llama_router_model_loads_total', { router: name, model: 'tiny-a' })).toBe(1);
});

it('follows A and AAAA records on the port of the group', async () => {
  server = await startNameServer(port, ['--host-record=box.test,127.0.0.1,::1']);
  const { untilValue } = await start(
    `  - { name: four, dns: [box.test], dns_type: A, port: ${other.port}, SERVERS }
  - { name: six, dns: [box.test], dns_type: AAAA, port: ${other.port}, SERVERS }`,
  );
  await untilValue('llama_router_up', { router: `127.0.0.1:${other.port}` }, 1);
  // It listens on IPv4 only: found, and down.
  await untilValue('llama_router_up', { router: `[::1]:${other.port}` }, 0);
});
