import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { formatState } from '../../src/cli/state-view.ts';
import type { MemoryView } from '../../src/http/view-schemas.ts';
import { anOperation } from '../support/an-operation.ts';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { createHurriedClock } from '../support/hurried-clock.ts';
import { runProgram } from '../support/run-program.ts';
import { scriptHttp } from '../support/scripted-server.ts';
import { createTestRouter, type TestRouter } from '../support/simulator/test-router.ts';
import { until } from '../support/until.ts';

const GIB = 1024 ** 3;

let router: TestRouter;
let exporter: RunningExporter;
beforeAll(async () => {
  router = createTestRouter({
    models: ['broken', 'chat', 'coder', 'rest'].map((id) => ({ id, loadSeconds: 0.02, sizeBytes: 5e9 })),
  });
  const { url } = await router.listen();
  // A model is read three seconds after its load.
  exporter = await startExporter([url], { 'engine.interval': '10s' }, {}, { clock: createHurriedClock(10) });
});
afterAll(async () => {
  await exporter.stop();
  await router.stop();
});

const list = (...args: string[]) => runProgram('list', ...args);

/** A GPU as the API shows it. */
const aGpu = (more: Partial<MemoryView['gpus'][number]> = {}): MemoryView['gpus'][number] => ({
  ...{ gpu: '0', gpu_uuid: 'GPU-1', name: 'RTX', pci_address: null, integrated: false, pools: [] },
  ...{ total_bytes: 24 * GIB, used_bytes: 20 * GIB, unattributed_bytes: 12 * GIB, other_processes: [] },
  ...more,
});

/** The facts of the router on the page, and the cells of each of its models. */
async function page(): Promise<{ facts: string; models: string[][] }> {
  const html = await (await fetch(exporter.url)).text();
  const plain = (part = '') => part.replace(/<[^>]*>/g, '').trim();
  return {
    facts: plain(/<p>(http[\s\S]*?)<\/p>/.exec(html)?.[1]),
    models: html
      .split('<tbody')[1]
      ?.split('<tr ')
      .slice(1)
      .map((row) =>
        [...row.matchAll(/<t[hd][^>]*>([\s\S]*?)<\/t[hd]>/g)].map(([, cell]) => plain(cell)),
      ) as string[][],
  };
}

it('shows the same as the page, in the same words', async () => {
  router.model('broken').failsNext = true;
  await router.load('broken');
  await router.load('chat');
  await router.load('coder');
  void router.request('coder', { seconds: 3600 });
  await until('the page to show a busy and an idle model', async () => {
    const { models } = await page();
    return models.some((cells) => cells.includes('busy')) && models.some((cells) => cells.includes('idle'));
  });
  const { code, out } = await list('--router', router.url);
  const [first = '', head = '', ...lines] = out.trimEnd().split('\n');
  const { facts, models } = await page();
  expect(code).toBe(0);
  // Only the page shows the URL and the state of the event stream.
  expect(first).toBe(`${new URL(router.url).host}  ${facts.split(' · ').slice(1, -1).join(', ')}`);
  expect(head).toMatch(/^STATUS +MODEL +ACTIVITY +SIZE +CONTEXT +NOTE$/);
  expect(lines.map((line) => line.split(/ {2,}/).slice(0, 2))).toEqual(
    models.map(([model, status]) => [status?.replace(' last load failed', ''), model]),
  );
  expect(lines.map((line) => line.replace(/\d+$/, '').trim())).toEqual([
    expect.stringMatching(/^loaded +chat +idle +4\.7 GiB/),
    expect.stringMatching(/^loaded +coder +busy +4\.7 GiB/),
    expect.stringMatching(/^unloaded +broken .*listed as failed since before monitoring began$/),
    expect.stringMatching(/^unloaded +rest/),
  ]);
});

it('shows with --exporter also durations, holds and operations', async () => {
  const host = new URL(router.url).host;
  const send = (method: string, path: string, body: object) =>
    fetch(exporter.url + path, {
      method,
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
  await send('POST', '/api/v1/unload', { models: ['chat'], reason: 'a test' });
  await send('POST', '/api/v1/holds', { ttl_seconds: 600, reason: 'training' });
  const { code, out } = await list('--exporter', exporter.url);
  const lines = out.split('\n').map((line) => line.replace(/\d+m?s( ago)?|just now/g, 'T'));
  const [first, held, head, ...rest] = lines;
  expect(code).toBe(0);
  expect(first).toBe(`${host}  llama-server b11669-simulated, 4 models, 1 in memory, at most 4 in memory`);
  expect(held).toMatch(/^GPU memory is .* UTC for training \(.*loopback\)\.$/);
  expect(head).toMatch(/^STATUS +MODEL +FOR +ACTIVITY +SIZE +CONTEXT +NOTE$/);
  expect(rest.map((line) => line.split(/ {2,}/).slice(0, 3))).toEqual([
    ['loaded', 'coder', 'T'],
    ['unloaded', 'broken', 'T'],
    ['unloaded', 'chat', 'T'],
    ['unloaded', 'rest', 'unknown'],
    [''],
    ['Last operations'],
    ['WHEN', 'ASKED BY', 'OUTCOME'],
    ['T', 'loopback (api)', 'done'],
    [''],
  ]);
  expect(out).toMatch(/unloaded chat +a test/);
  const json = await list('--exporter', exporter.url, '--output', 'json');
  expect(Object.keys(JSON.parse(json.out))).toEqual([
    ...['routers', 'models', 'memory', 'holds', 'operations'],
  ]);
});

it('prints no control characters from reasons, model ids and faults', async () => {
  const evil = 'x\u001b[2J\n\u009b31mfake  line\u202e';
  const real = JSON.parse((await list('--exporter', exporter.url, '--output', 'json')).out);
  const [first, second] = real.models;
  const [up] = real.routers;
  const time = new Date().toISOString();
  const answers: Record<string, unknown> = {
    routers: [up, { ...up, name: 'down', up: false, fault: { kind: 'bad_answer', message: evil } }],
    models: [{ ...first, id: evil }, second],
    memory: {
      ...real.memory,
      gpus: [aGpu({ name: evil, other_processes: [{ pid: 7, name: evil, bytes: 9 }] })],
      lost_gpus: [{ gpu: '1', gpu_uuid: evil, name: evil, reason: evil }],
    },
    holds: [{ ...real.holds[0], routers: [up.name], since: time, until: time, reason: evil, holder: evil }],
    operations: [anOperation({ reason: evil })],
  };
  const { url, stop } = await scriptHttp(({ url = '' }, response) => {
    const name = url.split('/').at(-1) ?? '';
    const wrapped = { [name]: answers[name] };
    response.end(JSON.stringify(name === 'memory' ? answers.memory : wrapped));
  });
  const text = await list('--exporter', url);
  const json = await list('--exporter', url, '--output', 'json');
  await stop();
  const printed = text.out + text.err + json.out;
  expect(printed.match(/[^\P{Cc}\n]|\p{Bidi_Control}/gu)).toBeNull();
  expect(text.out.split('\n').filter((line) => line.includes('fake'))).toHaveLength(5);
  expect(text.err).toMatch(/^down: x \[2J 31mfake line\nRun/);
  expect(JSON.parse(json.out).models[0].id).toBe(evil);
});

it('shows who is on each GPU: models, routers, orphans and the largest other processes', async () => {
  const { routers, models } = JSON.parse((await list('--router', router.url, '--output', 'json')).out);
  const [{ name }] = routers;
  const share = (bytes: number) => [{ gpu_uuid: 'GPU-1', pool: 'vram' as const, bytes }];
  const memory: MemoryView = {
    ...{ measured_at: null, lost_gpus: [], sources: [] },
    orphans: [
      {
        router: name,
        model: 'code',
        pid: 815,
        resident_bytes: GIB,
        gpu_bytes: 2 * GIB,
        gpus: share(2 * GIB),
      },
      { router: name, model: 'code', pid: 816, resident_bytes: null, gpu_bytes: null, gpus: [] },
    ],
    gpus: [aGpu({ other_processes: [{ pid: 4711, name: 'python3', bytes: 11 * GIB }] })],
    models: [{ router: name, model: 'chat', resident_bytes: GIB, gpu_bytes: 7 * GIB, gpus: share(7 * GIB) }],
    routers: [{ router: name, resident_bytes: GIB / 4, gpu_bytes: GIB / 2, gpus: share(GIB / 2) }],
  };
  const lines = formatState({ routers, models, memory }, 0).split('\n');
  expect(lines.filter((line) => /^- |^GPU|^0 |^Orphan /.test(line))).toEqual([
    expect.stringMatching(/^- +\(server\) +512\.0 MiB +256\.0 MiB$/),
    'GPU memory',
    'GPU  NAME  USED      TOTAL     MODELS   ROUTERS    OTHERS    LARGEST OTHER PROCESSES',
    '0    RTX   20.0 GiB  24.0 GiB  7.0 GiB  512.0 MiB  12.0 GiB  python3 (4711) 11.0 GiB',
    `Orphan process 815 of code on ${name} holds 2.0 GiB of GPU memory: end it.`,
    `Orphan process 816 of code on ${name} holds an unknown amount of memory: end it.`,
  ]);
});

it('lists only the names of the models, of routers and through an exporter', async () => {
  const names = { code: 0, out: 'broken\nchat\ncoder\nrest\n', err: '' };
  expect(await list('--output', 'names', '--router', router.url)).toEqual(names);
  expect(await list('--output', 'names', '--exporter', exporter.url)).toEqual(names);
});
