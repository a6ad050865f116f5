// The suite for a machine with an NVIDIA card: `npm run test:gpu`, or carried there as one archive. It uses node:test,
// because it must run where nothing can be installed.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { freePort } from '../support/free-port.ts';
import { bigShape, writeModel } from '../support/gguf.ts';
import { until } from '../support/until.ts';
import { computeProcesses, firstCard, heldBy, table } from './driver.ts';
import { modelPid, type Program, program, startLlamaServer, startProgram } from './programs.ts';

const MODELS = ['big-a', 'big-b'] as const;
const MEBIBYTE = 1024 * 1024;
/** The driver counts in MiB, and each process's share is rounded. */
const ROUNDING_BYTES = 4 * MEBIBYTE;
/** What the driver counts as used for a process in addition to the share that it lists. */
const OVERHEAD_BYTES = 64 * MEBIBYTE;
/** Of the time from a claim to free memory. */
const ROUNDS = 10;
const PATIENTLY = { timeoutMs: 60_000, everyMs: 100 };

/** Starts a program as in a container: it sees only its own processes. */
const OWN_NAMESPACE = [
  'unshare',
  '--map-root-user',
  '--pid',
  '--fork',
  '--kill-child',
  '--mount-proc',
] as const;

const exporterMain = program('EXPORTER_MAIN');
const folder = mkdtempSync(join(tmpdir(), 'gpu-test-'));
const url = { router: '', exporter: '', alertmanager: '' };
/** Lines for the summary. */
const figures: string[] = [];

let router: Program;
let exporter: Program;
let alertmanager: Program;

before(async () => {
  mkdirSync(join(folder, 'models'));
  const [first = '', ...others] = MODELS.map((model) => join(folder, 'models', `${model}.gguf`));
  writeModel(first, bigShape);
  for (const other of others) copyFileSync(first, other);
  const [routerPort, exporterPort, alertmanagerPort] = [await freePort(), await freePort(), await freePort()];
  url.router = `http://127.0.0.1:${routerPort}`;
  url.exporter = `http://127.0.0.1:${exporterPort}`;
  url.alertmanager = `http://127.0.0.1:${alertmanagerPort}`;
  const models = ['--models-dir', join(folder, 'models'), '--models-max', '4', '--metrics'];
  router = await startLlamaServer(routerPort, models, join(folder, 'router.log'));
  exporter = await startExporter(exporterPort);
  alertmanager = await startAlertmanager(alertmanagerPort);
});
after(async () => {
  await alertmanager?.stop();
  await exporter?.stop();
  await router?.stop();
  rmSync(folder, { recursive: true, force: true });
  process.stdout.write(['', 'Figures:', ...figures, ''].join('\n'));
});

function startExporter(port: number, prefix: readonly string[] = []): Promise<Program> {
  const config = join(folder, 'exporter.yml');
  writeFileSync(
    config,
    `routers: [{url: "${url.router}", name: gpu-box}]\nmemory: {interval: 1s}\nengine: {interval: 1s}\nunload: {cooldown: 0s}\n`,
  );
  const flags = ['--config.file', config, '--web.listen-address', `127.0.0.1:${port}`];
  return startProgram([...prefix, process.execPath, exporterMain, 'serve', ...flags], {
    url: `http://127.0.0.1:${port}/metrics`,
    logFile: join(folder, `exporter-${port}.log`),
  });
}

/** Alertmanager with the exporter as its only receiver. */
function startAlertmanager(port: number): Promise<Program> {
  const config = join(folder, 'alertmanager.yml');
  writeFileSync(
    config,
    `route: {receiver: exporter, group_wait: 0s, group_interval: 1s}
receivers: [{name: exporter, webhook_configs: [{url: "${url.exporter}/api/v1/alertmanager"}]}]
`,
  );
  const flags = [`--config.file=${config}`, `--storage.path=${join(folder, 'alertmanager')}`];
  flags.push(`--web.listen-address=127.0.0.1:${port}`, '--cluster.listen-address=');
  return startProgram([program('ALERTMANAGER_BIN'), ...flags], {
    url: `${url.alertmanager}/-/ready`,
    logFile: join(folder, 'alertmanager.log'),
  });
}

/** The value of a series of the exporter, in bytes; undefined if there is none. */
async function scraped(name: string, labels = '', from = url.exporter): Promise<number | undefined> {
  const text = await (await fetch(`${from}/metrics`)).text();
  const line = text.split('\n').find((each) => each.startsWith(`${name}{`) && each.includes(labels));
  return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(' ') + 1));
}

/** Loads both models and resolves when the exporter has measured them on the card. */
async function loadAll(): Promise<void> {
  for (const model of MODELS) {
    const answer = await fetch(`${url.router}/models/load`, {
      method: 'POST',
      body: JSON.stringify({ model }),
    });
    const text = await answer.text();
    assert.ok(answer.ok || text.includes('already running'), `loading ${model}: ${answer.status} ${text}`);
  }
  await until('both models to be loaded', async () => (await loaded()).length === MODELS.length, PATIENTLY);
  await until('both to be measured', async () => {
    const shares = await Promise.all(MODELS.map(shareOf));
    return shares.every((share) => share !== undefined);
  });
}

async function loaded(): Promise<unknown[]> {
  const answer = await fetch(`${url.router}/models`);
  const { data } = (await answer.json()) as { data: { status: { value: string } }[] };
  return data.filter(({ status }) => status.value === 'loaded');
}

const shareOf = (model: string) => scraped('llama_router_model_gpu_memory_used_bytes', `model="${model}"`);

/** What the driver says that the processes of the models hold, in bytes. */
function sharesOfModels(): number {
  const processes = computeProcesses();
  return MODELS.map((model) => processes.get(modelPid(router.pid, model) ?? 0) ?? 0).reduce((a, b) => a + b);
}

async function otherProcesses(): Promise<{ pid: number; name: string; bytes: number }[]> {
  const answer = await fetch(`${url.exporter}/api/v1/memory`);
  const { gpus } = (await answer.json()) as { gpus: { other_processes: [] }[] };
  return gpus.flatMap(({ other_processes }) => other_processes);
}

/** A program of the exporter that ends by itself, with its output. */
async function run(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [exporterMain, ...args]);
  return stdout;
}

const near = (value: number | undefined, expected: number, tolerance = ROUNDING_BYTES) =>
  value !== undefined && Math.abs(value - expected) <= tolerance;

const mebibytes = (bytes: number) => `${Math.round(bytes / MEBIBYTE)} MiB`;

test('the models of the router are on the card', async () => {
  await loadAll();
  const card = firstCard();
  figures.push(`card: ${card.name}, driver ${card.driver}, ${mebibytes(card.totalBytes)}`);
  assert.match(card.uuid, /^GPU-/);
  assert.ok(
    sharesOfModels() > 2 * 300 * MEBIBYTE,
    `the models are not on the card:\n${table()}\n${router.log()}`,
  );
});

test("the card's total and used memory are the driver's", async () => {
  const { totalBytes, uuid } = firstCard();
  assert.equal(await scraped('llama_router_gpu_memory_total_bytes', uuid), totalBytes);
  await until('the used memory to be measured', async () =>
    near(await scraped('llama_router_gpu_memory_used_bytes', uuid), firstCard().usedBytes),
  );
});

for (const model of MODELS) {
  test(`the share of ${model} is the driver's`, async () => {
    const pid = modelPid(router.pid, model);
    assert.ok(pid !== undefined, `no process of ${model}`);
    assert.equal(await shareOf(model), computeProcesses().get(pid));
  });
}

test("the router's own memory is the driver's, and not unattributed", async () => {
  const held = heldBy(router.pid) ?? 0;
  figures.push(`router itself: ${mebibytes(held)}; models: ${mebibytes(sharesOfModels())}`);
  await until('the router to be measured', async () =>
    near((await scraped('llama_router_process_gpu_memory_used_bytes')) ?? 0, held),
  );
  const { usedBytes } = firstCard();
  await until('the rest to be unattributed', async () =>
    near(await scraped('llama_router_gpu_memory_unowned_bytes'), usedBytes - held - sharesOfModels()),
  );
});

test('memory of another process is unattributed, and the process is named', async () => {
  const before = (await scraped('llama_router_gpu_memory_unowned_bytes')) ?? Number.NaN;
  assert.ok(before >= 0, 'unattributed memory is not published');
  const port = await freePort();
  const model = join(folder, 'models', 'big-a.gguf');
  const other = await startLlamaServer(port, ['-m', model], join(folder, 'other.log'));
  try {
    const held = await until('the driver to list the process', () => computeProcesses().get(other.pid));
    const after = await until(`unattributed memory to grow by ${mebibytes(held)}`, async () => {
      const bytes = await scraped('llama_router_gpu_memory_unowned_bytes');
      return near(bytes, before + held, OVERHEAD_BYTES) && bytes;
    });
    const others = await until('the process to be listed', async () => {
      const found = await otherProcesses();
      return found.some(({ pid }) => pid === other.pid) && found;
    });
    assert.deepEqual(
      others.find(({ pid }) => pid === other.pid),
      { pid: other.pid, name: 'llama-server', bytes: held },
    );
    figures.push(
      `unattributed: ${mebibytes(before)} without, ${mebibytes(after)} with another process of ${mebibytes(held)}`,
    );
  } finally {
    await other.stop();
  }
  await until('unattributed memory to shrink again', async () =>
    near(await scraped('llama_router_gpu_memory_unowned_bytes'), before, OVERHEAD_BYTES),
  );
});

test('in a PID namespace of its own the exporter attributes nothing, and the doctor says why', async () => {
  const port = await freePort();
  const isolated = await startExporter(port, OWN_NAMESPACE);
  try {
    const from = `http://127.0.0.1:${port}`;
    await until('the card to be measured', () => scraped('llama_router_gpu_memory_used_bytes', '', from));
    assert.equal(await scraped('llama_router_gpu_memory_unowned_bytes', '', from), undefined);
    assert.equal(await scraped('llama_router_model_gpu_memory_used_bytes', '', from), undefined);
  } finally {
    await isolated.stop();
  }
  const [unshare, ...args] = [...OWN_NAMESPACE, process.execPath, exporterMain];
  const { stdout } = await promisify(execFile)(unshare, [...args, 'doctor', '--router', url.router]);
  assert.match(stdout, /pid: host/);
});

test('the doctor finds the card', async () => {
  const output = await run('doctor', '--router', url.router);
  assert.match(output, new RegExp(`ok +memory +${firstCard().name}`));
});

test('unload-all frees what the models held', async () => {
  const held = sharesOfModels();
  const usedBefore = firstCard().usedBytes;
  const started = performance.now();
  const output = await run('unload-all', '--exporter', url.exporter);
  const answered = performance.now() - started;
  assert.match(output, /^Freed /m);
  const freed = await until('the memory to be free', () => {
    const less = usedBefore - firstCard().usedBytes;
    return less >= held - 2 * ROUNDING_BYTES && less;
  });
  figures.push(
    `unload-all: ${mebibytes(freed)} of ${mebibytes(held)} freed, answered after ${Math.round(answered)} ms` +
      ` ("${/^Freed .*$/m.exec(output)?.[0]}")`,
  );
});

interface HoldAnswer {
  id: string;
  state: string;
  why: string | null;
}

/** Places a hold and resolves when its memory is free. */
async function hold(body: object): Promise<HoldAnswer> {
  const answer = await fetch(`${url.exporter}/api/v1/holds`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ ttl_seconds: 60, restore: true, wait: 60, ...body }),
  });
  return (await answer.json()) as HoldAnswer;
}

/** Ends a hold and resolves when the models are back and measured. */
async function release({ id }: HoldAnswer): Promise<void> {
  await fetch(`${url.exporter}/api/v1/holds/${id}`, { method: 'DELETE' });
  await until('the models to be back', async () => (await loaded()).length === MODELS.length, PATIENTLY);
  await until('both to be measured', async () => {
    const shares = await Promise.all(MODELS.map(shareOf));
    return shares.every((share) => share !== undefined);
  });
}

const freeBytes = () => firstCard().freeBytes;

test('a hold frees the least that it needs, is active once that is measured free, and puts the model back', async () => {
  await loadAll();
  const need = freeBytes() + ((await shareOf('big-a')) ?? Number.NaN) / 2;
  const placed = await hold({ need_bytes: Math.round(need) });
  assert.equal(placed.state, 'active', String(placed.why));
  assert.ok(freeBytes() >= need - ROUNDING_BYTES, table());
  assert.equal((await loaded()).length, 1);
  await release(placed);
});

test('a hold that needs more than the models have unloads nothing, and says so', async () => {
  const { totalBytes } = firstCard();
  const refused = await hold({ need_bytes: totalBytes });
  assert.equal(refused.state, 'failed');
  assert.match(String(refused.why), /are needed on one GPU, and at most .* are free/);
  assert.equal((await loaded()).length, MODELS.length);
});

test('from the claim to memory that is measured free', async () => {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const need = Math.round(freeBytes() + sharesOfModels() - OVERHEAD_BYTES);
    const startedAt = performance.now();
    const placed = await hold({ need_bytes: need });
    times.push(performance.now() - startedAt);
    assert.equal(placed.state, 'active', String(placed.why));
    assert.ok(freeBytes() >= need - ROUNDING_BYTES, table());
    await release(placed);
  }
  times.sort((a, b) => a - b);
  const [median, most] = [times[Math.floor(ROUNDS / 2)], times.at(-1)].map((ms = 0) => Math.round(ms));
  figures.push(
    `claim to memory measured free, both models, ${ROUNDS} rounds: median ${median} ms, longest ${most} ms`,
  );
});

test('run starts its command when the memory is free, and the models are back afterwards', async () => {
  const need = Math.round((freeBytes() + sharesOfModels() - OVERHEAD_BYTES) / MEBIBYTE);
  const query = ['nvidia-smi', '--query-gpu=memory.free', '--format=csv,noheader,nounits'];
  const flags = ['--exporter', url.exporter, '--need', `${need}MiB`, '--restore'];
  const output = await run('run', ...flags, '--', ...query);
  const free = Number(output.trim().split('\n')[0]);
  assert.ok(free >= need - ROUNDING_BYTES / MEBIBYTE, `${free} MiB are free, and ${need} were needed`);
  figures.push(`run --need ${need}MiB: its command found ${free} MiB free`);
  await until('the models to be back', async () => (await loaded()).length === MODELS.length, PATIENTLY);
});

test('an alert about a full card frees it', async () => {
  await loadAll();
  const { usedBytes, totalBytes } = firstCard();
  // Between the card with the models and the card without them.
  const limit = (usedBytes - sharesOfModels() / 2) / totalBytes;
  const used = () => scraped('llama_router_gpu_memory_used_bytes');
  await until('the scrape to cross the limit', async () => ((await used()) ?? 0) / totalBytes > limit);
  const crossed = performance.now();
  const labels = { alertname: 'GpuMemoryFull', action: 'unload', router: 'gpu-box' };
  const answer = await fetch(`${url.alertmanager}/api/v2/alerts`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify([{ labels, annotations: {} }]),
  });
  assert.ok(answer.ok, `Alertmanager answers ${answer.status}: ${await answer.text()}`);
  await until(
    'the driver to report less than the limit',
    () => firstCard().usedBytes / totalBytes < limit,
    PATIENTLY,
  );
  figures.push(`threshold to freed memory, by Alertmanager: ${Math.round(performance.now() - crossed)} ms`);
  await until('the scrape to follow', async () => ((await used()) ?? 1e15) / totalBytes < limit);
  await until('the operation to be logged', () =>
    /msg="unload finished".* trigger=alertmanager .* outcome=success/.test(exporter.log()),
  );
});
