import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { complete, type RealRouter, startRealRouter } from '../support/real-router.ts';
import { until } from '../support/until.ts';

/** Of 410 MB and of 320 kB. */
const BIG = 'big';
const TINY = 'tiny-a';
const OTHER = 'tiny-b';

let router: RealRouter;
let exporter: RunningExporter;

beforeAll(async () => {
  router = await startRealRouter({ models: [BIG, TINY, OTHER], modelsMax: 2 });
  exporter = await startExporter([router.url], { 'memory.interval': '1s' });
});
afterAll(async () => {
  await exporter?.stop();
  await router?.stop();
});

/** The values of the exporter after a reading on demand, in bytes; undefined if it publishes none. */
async function told(model: string): Promise<number | undefined> {
  await exporter.service.memory.fresh(30_000);
  return exporter.value('llama_router_model_resident_memory_bytes', { model });
}

/** Has the model loaded: a router that has not noticed a crash yet answers with an error first. */
async function use(model: string): Promise<void> {
  await until(
    `${model} to answer`,
    async () => (await complete(router, model, { tokens: 2 })).status === 200,
  );
}

/** Resolves when the exporter's word is within 5 % of the kernel's, which must be soon: nothing is averaged. */
async function agree(...models: string[]): Promise<void> {
  for (const model of models) {
    await until(`${model} to be told within 5 % of /proc`, async () => {
      const [ours, kernel] = [await told(model), residentOf(router.childPid(model) ?? 0)];
      return ours !== undefined && Math.abs(ours - kernel) <= 0.05 * kernel;
    });
  }
}

it('equals /proc after a load', async () => {
  await use(BIG);
  await use(TINY);
  await agree(BIG, TINY);
  expect(await told(BIG)).toBeGreaterThan(300e6);
  expect(await told(TINY)).toBeLessThan(200e6);
});

it('equals /proc after an eviction, without the evicted model', async () => {
  await use(TINY); // The big one has been unused for longest.
  await use(OTHER);
  await agree(OTHER, TINY);
  expect(await told(BIG)).toBeUndefined();
});

it('equals /proc after a crash and a reload', async () => {
  await use(BIG);
  await agree(BIG);
  await router.crash(BIG);
  expect(await told(BIG)).toBeUndefined();
  await use(BIG);
  await agree(BIG);
});

it("excludes a foreign process with a model's process ID and command line", async () => {
  const pid = router.childPid(BIG) ?? 0;
  await agree(BIG);
  await router.crash(BIG);
  const stranger = await startAs(pid);
  try {
    expect(stranger.pid).toBe(pid);
    expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).toContain(BIG);
    expect(await told(BIG)).toBeUndefined();
    await use(BIG);
    await agree(BIG);
    expect(router.childPid(BIG)).not.toBe(pid);
  } finally {
    stranger.kill('SIGKILL');
  }
});

/** A program with a model's command line, under this very process ID: the kernel is asked to give it out next. */
async function startAs(pid: number): Promise<ChildProcess> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    writeFileSync('/proc/sys/kernel/ns_last_pid', String(pid - 1));
    const args = ['-e', 'setTimeout(() => {}, 60_000)', '--', '--alias', BIG, '--port', '1'];
    const child = spawn(process.execPath, args, { stdio: 'ignore' });
    await once(child, 'spawn');
    if (child.pid === pid) return child;
    child.kill('SIGKILL'); // Another process was faster.
    await once(child, 'exit');
  }
  throw new Error(`the process ID ${pid} was not to be had in 200 attempts`);
}

function residentOf(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) * 1024;
}
