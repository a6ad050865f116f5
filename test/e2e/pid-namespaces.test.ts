import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startExporter, valueIn } from '../support/exporter.ts';
import { LIVING_CARD_TIMEOUT, type LivingCard, playLivingCard } from '../support/fake-nvidia-smi.ts';
import { freePort } from '../support/free-port.ts';
import { complete, type RealRouter, startRealRouter } from '../support/real-router.ts';
import { type RootedProcess, runRooted, startRooted } from '../support/rooted-process.ts';
import { scratchFolder } from '../support/scratch-folder.ts';
import { until } from '../support/until.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'dist', 'main.mjs');
const MEBIBYTE = 1024 * 1024;
const MODEL = `tiny-a-${process.pid}`;
const CARD = { baseMiB: 2000, perModelMiB: { [MODEL]: 1500 }, routerMiB: 550 };
const folder = scratchFolder();

/** The first process of a PID namespace with a /proc of its own: the pod of a sidecar. */
let pod: RootedProcess;
/** Of that process on the machine. */
let podPid: number;
let router: RealRouter;

beforeAll(async () => {
  const args = ['--pid', '--fork', '--kill-child', '--mount-proc', 'sleep', 'infinity'];
  pod = await startRooted({ command: 'unshare', args }, join(folder, 'pod.log'));
  podPid = await until('the namespace', () => childOf(pod.pid));
  router = await startRealRouter({ models: [MODEL], pidNamespaceOf: podPid });
  await complete(router, MODEL, { tokens: 1 });
});
afterAll(async () => {
  await router?.stop();
  await pod?.end('SIGKILL');
});

function childOf(pid: number): number | undefined {
  const { output } = runRooted({ command: 'pgrep', args: ['-P', String(pid), 'sleep'] });
  return Number(output) || undefined;
}

/** The configuration of an exporter of the router, with a card that lists processes like this. */
function configured(pids: LivingCard['pids']): string {
  const file = join(folder, `${pids}.yml`);
  const nvidiaSmi = playLivingCard({ ...CARD, ...(pids && { pids }) });
  writeFileSync(
    file,
    `routers: [{url: "${router.url}"}]\nmemory: {interval: 200ms, timeout: ${LIVING_CARD_TIMEOUT}, nvidia_smi: "${nvidiaSmi}"}\n`,
  );
  return file;
}

const hasShare = (text: string) => text.includes('llama_router_model_gpu_memory_used_bytes{');
const warningsIn = (log: string) => log.match(/msg="memory source has a warning".*pid: host/g)?.length ?? 0;

/** What an exporter publishes that shares the router's PID namespace, a sidecar, some readings after it has shares or a warning. */
async function sidecar(pids: LivingCard['pids']) {
  const port = await freePort();
  const flags = ['--config.file', configured(pids), '--web.listen-address', `127.0.0.1:${port}`];
  const command = { command: process.execPath, args: [MAIN, 'serve', ...flags], pidNamespaceOf: podPid };
  const exporter = await startRooted(command, join(folder, `${pids}.log`));
  const scrape = async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  try {
    await until(
      'a share or a warning',
      async () => hasShare(await scrape().catch(() => '')) || warningsIn(exporter.log()) > 0,
    );
    await new Promise((resolve) => setTimeout(resolve, 800));
    const text = await scrape();
    const bytes = (name: string) => {
      const found = valueIn(text, `llama_router_${name}`, {});
      return found === undefined ? undefined : found / MEBIBYTE;
    };
    return {
      used: bytes('gpu_memory_used_bytes'),
      unattributed: bytes('gpu_memory_unowned_bytes'),
      model: bytes('model_gpu_memory_used_bytes'),
      router: bytes('process_gpu_memory_used_bytes'),
      warnings: warningsIn(exporter.log()),
    };
  } finally {
    await exporter.end('SIGTERM');
  }
}

function doctor(pids: LivingCard['pids']): string {
  const args = [MAIN, 'doctor', '--config.file', configured(pids)];
  return runRooted({ command: process.execPath, args, pidNamespaceOf: podPid }).output;
}

const REMEDY =
  /warn +memory +nvidia-smi does not list the processes[\s\S]*pid: host; in a pod, hostPID: true/;

describe('a sidecar, in the PID namespace of the router', () => {
  it('knows all shares if the driver lists the processes of the namespace', async () => {
    expect(await sidecar('own')).toEqual({
      ...{ used: 4050, unattributed: 2000, model: 1500, router: 550, warnings: 0 },
    });
    expect(doctor('own')).not.toMatch(REMEDY);
  });

  it.each(['machine', 'none'] as const)(
    'attributes nothing if the driver lists other process IDs or none (%s), and says what to do',
    async (pids) => {
      expect(await sidecar(pids)).toEqual({ used: 4050, warnings: 1 });
      expect(doctor(pids)).toMatch(REMEDY);
    },
  );
});

it("with the machine's process table, an exporter outside the namespace knows all shares", async () => {
  const exporter = await startExporter([], { 'config.file': configured('own') });
  try {
    await until('the share', async () => {
      const share = await exporter.value('llama_router_model_gpu_memory_used_bytes', { model: MODEL });
      return share === 1500 * MEBIBYTE;
    });
    await until('the rest', async () => {
      return (await exporter.value('llama_router_gpu_memory_unowned_bytes')) === 2000 * MEBIBYTE;
    });
  } finally {
    await exporter.stop();
  }
});
