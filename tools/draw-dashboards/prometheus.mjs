// Prometheus of the machine's Debian release, on a free loopback port, with the shipped rules.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const PROGRAM = '/usr/bin/prometheus';
const RULES = fileURLToPath(new URL('../../prometheus/rules', import.meta.url));

/**
 * Resolves when it is ready; rejects with its output after ten seconds.
 * @param {number} scrapeSeconds
 * @param {readonly { name: string, url: string }[]} hosts scraped as `name:10180`
 */
export async function startPrometheus(scrapeSeconds, hosts) {
  if (!existsSync(PROGRAM)) {
    throw new Error(`${PROGRAM} is not installed. Run \`node tools/install-real-servers.mjs\` as root.`);
  }
  const folder = mkdtempSync(join(tmpdir(), 'llama-router-prometheus-'));
  const port = await freePort();
  const jobs = hosts.map(({ name, url }) => ({
    targets: [new URL(url).host],
    labels: { instance: `${name}:10180`, host: name },
  }));
  writeFileSync(
    join(folder, 'prometheus.yml'),
    JSON.stringify({
      global: { scrape_interval: `${scrapeSeconds}s`, evaluation_interval: `${scrapeSeconds}s` },
      rule_files: [`${RULES}/*.yml`],
      scrape_configs: [{ job_name: 'llama-router-exporter', static_configs: jobs }],
    }),
  );
  const child = spawn(
    PROGRAM,
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'storage')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const ended = once(child, 'exit');
  let said = '';
  child.stderr.on('data', (chunk) => {
    said += chunk;
  });
  const url = `http://127.0.0.1:${port}`;
  const stop = async () => {
    child.kill();
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  for (let tries = 0; tries < 100; tries += 1) {
    if (await isReady(url)) return { url, stop };
    await sleep(100);
  }
  await stop();
  throw new Error(`${PROGRAM} did not become ready. Its output:\n${said}`);
}

async function isReady(url) {
  try {
    return (await fetch(`${url}/-/ready`)).ok;
  } catch {
    return false;
  }
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
