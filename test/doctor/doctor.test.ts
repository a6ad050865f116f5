import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Finding } from '../../src/doctor/finding.ts';
import { diagnoseMemory } from '../../src/doctor/memory.ts';
import { aReading } from '../support/a-reading.ts';
import { startExporter } from '../support/exporter.ts';
import { playRecording } from '../support/fake-nvidia-smi.ts';
import { scratchFolder } from '../support/scratch-folder.ts';
import {
  createTestRouter,
  type TestRouter,
  type TestRouterOptions,
} from '../support/simulator/test-router.ts';
import { type Answers, type Consultation, consult, createServers, json } from './consult.ts';

const servers = createServers();
const routers: TestRouter[] = [];

afterEach(async () => {
  servers.close();
  await Promise.all(routers.splice(0).map((router) => router.stop()));
});

async function aRouter(options: TestRouterOptions = {}, loaded?: string): Promise<TestRouter> {
  const models = ['qwen', 'gemma'].map((id) => ({ id, loadSeconds: 0, tokensPerSecond: 10_000 }));
  const router = createTestRouter({ models, exitSeconds: 0, ...options });
  routers.push(router);
  await router.listen();
  if (loaded) await router.request(loaded, { tokens: 1 });
  return router;
}

/** The findings about one router that are not fine, as `mark check cause: says`, and the exit code. */
async function findings(at: number | string, given: Consultation = {}): Promise<(string | number)[]> {
  const { checks, code } = await checksOf(at, given);
  return [
    ...checks
      .filter(({ mark }) => mark === 'warn' || mark === 'fail')
      .map(({ check, mark, cause, says }) => `${mark} ${check} ${cause}: ${says}`),
    code,
  ];
}

async function checksOf(at: number | string, given: Consultation = {}) {
  const url = typeof at === 'string' ? at : `http://127.0.0.1:${at}`;
  const { text, code } = await consult([url], { ...given, flags: { ...given.flags, output: 'json' } });
  return { checks: JSON.parse(text).routers[0].checks as Finding[], code };
}

/** The findings about the exporter itself with these flags, and the exit code. */
async function exporterChecks(flags: Record<string, string>, local: 'auto' | 'no' = 'no') {
  const { url } = await aRouter({}, 'qwen');
  const { text, code } = await consult([url], { local, flags: { ...flags, output: 'json' } });
  return { checks: JSON.parse(text).exporter.checks as Finding[], code };
}

describe('a router without problems', () => {
  it('has a line for each check', async () => {
    const { url } = await aRouter({}, 'qwen');
    expect(await consult([url])).toEqual({
      text: `http://127.0.0.1:PORT
  ok    connection  127.0.0.1:PORT answers
  ok    router      llama.cpp in router mode, build b11669-simulated, at most 4 models in memory (--models-max)
  ok    build       current: reading the metrics of a model does not keep it awake
  ok    events      the event stream is open: changes are seen at once
  ok    models      2 models: 1 unloaded, 1 loaded
  ok    metrics     qwen has metrics

exporter
  note  state       counters and holds are lost at a restart: state.file is not set
  note  audit       operations are only in the log: audit.file is not set
  note  memory      no GPU found: only resident memory and CPU time of local models are measured
        what to do: If there is one: NVIDIA needs nvidia-smi (memory.nvidia_smi), AMD and Intel the /sys of the machine (path.sysfs).

No problems found.
`,
      code: 0,
    });
  });

  it('receives only reads, and only its loaded model is asked', async () => {
    const router = await aRouter({}, 'qwen');
    await consult([router.url]);
    expect(router.requests).toEqual([
      'GET /props',
      'GET /models',
      'GET /metrics model=qwen&autoload=false',
      'GET /models/sse',
    ]);
    expect(router.violations).toEqual([]);
  });

  it('is asked on a new connection each time, because routers close connections without notice', async () => {
    const answers = {
      '/props': json(200, { role: 'router' }),
      '/models': json(200, { data: [{ id: 'qwen', status: { value: 'loaded', args: ['llama-server'] } }] }),
      '/metrics?model=qwen&autoload=false': [200, {}, ''],
      '/models/sse': [200, { 'content-type': 'text/event-stream' }, ''],
    } satisfies Answers;
    expect(await findings(await servers.answering(answers, true))).toEqual([0]);
  });

  it('accepts the API key, which is not printed', async () => {
    const { url } = await aRouter({ apiKey: 'secret' });
    const { text } = await consult([url], { key: 'secret' });
    expect(text).toContain('  ok    key         the API key is accepted\n');
    expect(text).not.toContain('secret');
  });
});

it('--output json has a cause for each check', async () => {
  const { url } = await aRouter({ metrics: false }, 'qwen');
  const { text, code } = await consult([url], { flags: { output: 'json' } });
  const { routers: shown, exporter, exit_code } = JSON.parse(text);
  expect(shown[0]).toMatchObject({ url: 'http://127.0.0.1:PORT', result: 'warn' });
  expect(shown[0].checks.map(({ check, cause }: Finding) => `${check} ${cause}`)).toEqual([
    'connection fine',
    'router fine',
    'build fine',
    'events fine',
    'models fine',
    'metrics no_metrics',
  ]);
  expect(exporter).toMatchObject({
    name: 'exporter',
    url: null,
    result: 'ok',
    checks: [
      {
        check: 'state',
        mark: 'note',
        cause: 'state_not_kept',
        says: 'counters and holds are lost at a restart: state.file is not set',
        remedy: [],
      },
      { check: 'audit', mark: 'note', cause: 'audit_not_kept' },
      { check: 'memory', mark: 'note', cause: 'no_gpu' },
    ],
  });
  expect([exit_code, code]).toEqual([0, 0]);
});

it('a router without loaded models is not asked to load one for its metrics', async () => {
  const { checks } = await checksOf((await aRouter({ metrics: false })).url);
  expect(checks.at(-1)).toMatchObject({
    mark: 'note',
    says: 'no metrics of models were read: none is loaded, and doctor loads none',
  });
});

describe('one router under two addresses', () => {
  const TWIN = `  warn  connection  this is the same server as 127.0.0.1:PORT: every model is counted twice
        what to do: Remove one of the two from the configuration.`;

  it.each<[string, string | undefined]>([
    ['by the ports of its models', 'qwen'],
    ['by its address before the first load', undefined],
  ])('is recognized %s', async (_, loaded) => {
    const { url } = await aRouter({}, loaded);
    const { text, code } = await consult([url, url.replace('127.0.0.1', 'localhost')]);
    expect(text).toContain(TWIN);
    expect(text).toMatch(/\n1 warning\.\n$/);
    expect(code).toBe(0);
  });

  it('is not confused with another router that has the same models', async () => {
    const [one, other] = [await aRouter(), await aRouter()];
    expect((await consult([one.url, other.url])).text).not.toContain('same server');
  });
});

describe('an API key', () => {
  it('that is missing has a remedy', async () => {
    const { url } = await aRouter({ apiKey: 'right' });
    const { text, code } = await consult([url]);
    expect(text).toMatch(`http://127.0.0.1:PORT
  ok    connection  127.0.0.1:PORT answers
  FAIL  key         the server requires an API key, and none is configured
        what to do: Set LLAMA_API_KEY, LLAMA_API_KEY_FILE, or api_key or api_key_file of this router.
`);
    expect(text).toMatch(/\n1 failure\.\n$/);
    expect(code).toBe(3);
  });

  it('that is wrong is rejected', async () => {
    const { url } = await aRouter({ apiKey: 'right' });
    expect(await findings(url, { key: 'wrong' })).toEqual([
      'fail key key_wrong: the server rejects the configured API key',
      3,
    ]);
  });

  it('is required by older builds for everything except the listing', async () => {
    const denied = json(401, { error: { message: 'Invalid API Key' } });
    const models = json(200, { data: [{ id: 'qwen', status: { value: 'loaded' } }] });
    const { checks } = await checksOf(await servers.answering({ '/models': models, '*': denied }));
    expect(checks.at(-1)?.says).toBe(
      'the server lists its models, but requires an API key, and none is configured',
    );
  });
});

describe('a server that is not a router', () => {
  const llama = { server: 'llama.cpp' };
  const listing = (owner: string) => json(200, { data: [{ id: 'a', object: 'model', owned_by: owner }] });

  const single = 'single_model: this is a llama-server with a single model, not a router';
  const other =
    'other_server: this is another OpenAI-compatible server (owned_by: vllm): it lists models without their status';
  const foreign = (answer: string) =>
    `wrong_port: this is neither llama-server nor llama-swap: it answers ${answer}`;
  const withoutRouter = {
    '/props': json(200, { default_generation_settings: {}, total_slots: 1 }),
    '/v1/models': listing('llamacpp'),
    '*': json(404, {}, llama),
  };

  it.each<[string, Answers, string]>([
    [
      'is a llama-server with a single model',
      { '/props': json(200, { total_slots: 4 }, llama), '/models': listing('llamacpp') },
      single,
    ],
    ['is a llama-server without router mode', withoutRouter, single],
    ['has only /v1/models', { '/v1/models': listing('vllm') }, other],
    ['lists models without status', { '/models': listing('vllm') }, other],
    [
      'is a web page',
      { '*': [200, { 'content-type': 'text/html' }, '<title>Open WebUI</title>'] },
      foreign("a web page titled 'Open WebUI'"),
    ],
    ['answers 404', { '*': [404, {}, '404 page not found\n'] }, foreign('404: 404 page not found')],
    ['answers other JSON', { '*': json(200, { status: 'success' }) }, foreign('200: {"status":"success"}')],
    ['answers escape sequences', { '*': [200, {}, '\u001b[31mred'] }, foreign('200: [31mred')],
    ['redirects', { '*': [302, { location: '/login' }, ''] }, foreign('302: redirect to /login')],
    [
      'is a proxy without a backend',
      { '*': [502, { server: 'nginx' }, 'Bad Gateway'] },
      'server_error: it answers 502 (nginx): Bad Gateway',
    ],
    [
      'is a router with an unknown listing',
      { '/props': json(200, { role: 'router' }), '/models': json(200, { models: [] }) },
      'unknown_shape: this is a router, but its /models is not a list of models: 200: {"models":[]}',
    ],
  ])('%s', async (_, answers, finding) => {
    expect(await findings(await servers.answering(answers))).toEqual([`fail router ${finding}`, 3]);
  });

  it('but lists models with their status is followed', async () => {
    const models = json(200, { data: [{ id: 'a', status: 'loaded' }, { id: 'b', status: 'warming' }, 7] });
    expect(await findings(await servers.answering({ '/models': models }))).toEqual([
      'warn router no_role: it lists models like a router, but its /props does not identify it as one',
      'warn build idle_timers: this build is older than b10524: reading the metrics of a model restarts its idle timer, so 2 models whose arguments are not listed are not read',
      'warn events no_event_stream: there is no event stream: /models/sse answers 404',
      'warn models unreadable_models: 2 models: 1 loaded, 1 other; 2 of 3 cannot be read: data[2]: Invalid input: expected object, received number',
      0,
    ]);
  });
});

describe('a router that cannot be reached', () => {
  it('refuses connections', async () => {
    const port = await servers.odd(() => {});
    servers.close();
    const { checks, code } = await checksOf(port);
    expect(code).toBe(3);
    expect(checks).toEqual([
      {
        check: 'connection',
        mark: 'fail',
        cause: 'connection_refused',
        says: '127.0.0.1:PORT refuses connections: no program listens there',
        remedy: [
          'Start the server there. In a container, localhost is the container itself: use the name of the host.',
          'Or correct the address: --router URL, LLAMA_SERVER_URL, or routers[].url in the configuration file.',
        ],
      },
    ]);
  });

  it.each<[string, () => Promise<number>, string]>([
    [
      'closes the connection',
      () => servers.odd((socket) => socket.destroy()),
      'not_http: 127.0.0.1:PORT closes the connection without an answer',
    ],
    [
      'speaks SSH',
      () => servers.odd((socket) => socket.write('SSH-2.0-OpenSSH_9.2\r\n')),
      'not_http: 127.0.0.1:PORT answers, but not in HTTP: SSH-2.0-OpenSSH_9.2',
    ],
    [
      'speaks HTTPS',
      () => servers.open(createTlsServer({})),
      'wrong_scheme: 127.0.0.1:PORT expects HTTPS, but the URL says http',
    ],
  ])('%s', async (_, listen, finding) => {
    expect(await findings(await listen())).toEqual([`fail connection ${finding}`, 3]);
  });

  it('does not answer', async () => {
    const port = await servers.odd(() => {});
    expect(await findings(port, { flags: { 'follow.request-timeout': '100ms' } })).toEqual([
      'fail connection no_answer: 127.0.0.1:PORT accepts connections but does not answer within 0.1 s',
      3,
    ]);
  });

  it('is a socket that does not exist, or answers', async () => {
    const socket = join(scratchFolder(), 'llama.sock');
    expect(await findings(socket)).toEqual([
      `fail connection no_socket: no program listens on the socket ${socket}`,
      3,
    ]);
    await servers.open(
      createServer((_, response) => response.end('{"role":"router","data":[]}')),
      socket,
    );
    const { text, code } = await consult([socket]);
    expect(text.split('\n').slice(0, 3)).toEqual([
      `unix:${socket}`,
      `  ok    connection  ${socket} answers`,
      '  ok    router      llama.cpp in router mode',
    ]);
    expect(code).toBe(0);
  });

  it('refuses the Host of the URL, but accepts localhost', async () => {
    const port = await servers.open(
      createServer(({ headers }, response) => {
        response.statusCode = headers.host === 'localhost' ? 200 : 403;
        response.end(headers.host === 'localhost' ? '{"role":"router","data":[]}' : '');
      }),
    );
    const { checks } = await checksOf(port);
    expect(checks).toEqual([
      expect.objectContaining({
        cause: 'host_refused',
        says: 'it does not accept requests for 127.0.0.1:PORT: it answers 403',
      }),
    ]);
    expect(await findings(port, { env: { LLAMA_SERVER_HOST_HEADER: 'localhost' } })).not.toContain(3);
  });

  it('speaks HTTP at an https URL', async () => {
    const { url } = await aRouter();
    const { checks } = await checksOf(url.replace('http:', 'https:'));
    expect(checks).toEqual([
      expect.objectContaining({
        cause: 'wrong_scheme',
        remedy: ['Change the URL to http://127.0.0.1:PORT'],
      }),
    ]);
  });
});

describe('files of the exporter', () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = scratchFolder();
    path = join(folder, 'file');
  });

  /** The finding about this option and the exit code. */
  async function given(option: 'state' | 'audit', file: string) {
    const { checks, code } = await exporterChecks({ [`${option}.file`]: file });
    const [finding] = checks.filter(({ check }) => check === option);
    return `${finding?.mark} ${finding?.says.replaceAll(folder, 'FOLDER')}, exit ${code}`;
  }

  it('that do not exist are not created', async () => {
    expect(await given('state', path)).toBe('ok FOLDER/file can be created, exit 0');
    expect(await given('state', join(folder, 'new', 'file'))).toBe(
      'ok FOLDER/new/file can be created, exit 0',
    );
    expect(await given('audit', path)).toBe('ok FOLDER/file can be created, exit 0');
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each<['state' | 'audit', string, string]>([
    [
      'state',
      JSON.stringify({ version: 1, savedAt: 1, counters: [], lastUnloads: [] }),
      'ok FOLDER/file can be written, exit 0',
    ],
    ['state', '{"version":1,"savedA', 'warn FOLDER/file is damaged, or of another version, exit 0'],
    ['audit', '{}\n', 'ok FOLDER/file can be written, exit 0'],
  ])('that exist are not changed: %s with %j', async (option, content, finding) => {
    writeFileSync(path, content);
    expect(await given(option, path)).toBe(finding);
    expect(readdirSync(folder)).toEqual(['file']);
    expect(readFileSync(path, 'utf8')).toBe(content);
  });

  it('of the state show damage in every part that the service saves', async () => {
    const exporter = await startExporter(['http://127.0.0.1:1'], { 'state.file': path });
    await exporter.stop();
    const { version, savedAt, ...parts } = JSON.parse(readFileSync(path, 'utf8'));
    expect(Object.keys(parts)).toContain('loans');
    for (const part of Object.keys(parts)) {
      writeFileSync(path, JSON.stringify({ version, savedAt, ...parts, [part]: 'damaged' }));
      expect([part, await given('state', path)]).toEqual([part, expect.stringContaining('is damaged')]);
    }
  });

  it.each(['state', 'audit'] as const)(
    'are not possible below a file, or in place of a folder: %s',
    async (option) => {
      writeFileSync(path, '');
      expect(await given(option, join(path, 'deep', 'file'))).toMatch(
        /^fail FOLDER\/file\/deep\/file cannot be read or written \(ENOTDIR\): .*, exit 1$/,
      );
      mkdirSync(join(folder, 'taken'));
      expect(await given(option, join(folder, 'taken'))).toMatch(/^fail FOLDER\/taken .* \(EISDIR\)/);
    },
  );
});

describe('the memory of this machine', () => {
  const checks = async (recording: string, local: 'auto' | 'no' = 'no') => {
    const flags = { 'memory.nvidia-smi': playRecording(recording) };
    const { checks: all, code } = await exporterChecks(flags, local);
    return { found: all.filter(({ check }) => check === 'memory'), code };
  };

  it('lists GPUs', async () => {
    const { found } = await checks('two-cards');
    expect(found.map(({ says }) => says)).toEqual([
      'NVIDIA GeForce RTX 3090 (vram: 20.6 GiB used of 24.0 GiB); NVIDIA RTX A6000 (vram: 8.0 GiB used of 48.0 GiB)',
    ]);
  });

  it('reports a driver that fails', async () => {
    const { found, code } = await checks('driver-mismatch');
    expect(found).toEqual([
      expect.objectContaining({
        cause: 'source_failed',
        says: expect.stringMatching(/^nvidia-smi: .*Driver\/library version mismatch/),
        remedy: ['Restart the machine: the driver was updated while in use.'],
      }),
    ]);
    expect(code).toBe(0);
  });

  it('reports a warning of the driver as a note', async () => {
    const { found, code } = await checks('inforom');
    expect(found.map(({ mark, cause }) => `${mark} ${cause}`)).toEqual(['ok fine', 'note source_warns']);
    expect(found[1]?.says).toBe(
      'nvidia-smi: exited with 14: WARNING: infoROM is corrupted at gpu 0000:0B:00.0',
    );
    expect(code).toBe(0);
  });

  it('names a lost card', async () => {
    const { found } = await checks('one-lost');
    expect(found.map(({ mark, cause }) => `${mark} ${cause}`)).toEqual(['ok fine', 'warn source_failed']);
    expect(found[1]?.says).toMatch(/^nvidia-smi: GPU 1 NVIDIA RTX A6000 .* is lost: GPU is lost$/);
    expect(found[1]?.remedy[0]).toMatch(/^See the kernel log: dmesg/);
  });

  it.each([
    ['no response within 3 s; nvidia-smi was killed', /persistence mode.*Otherwise raise memory\.timeout/],
    ['cannot start nvidia-smi-535: no such program', /^Correct memory\.nvidia_smi, or set it to ''/],
    ['exited with 9: NVIDIA-SMI has failed', /^Run nvidia-smi as the user of the service/],
  ])('says what to do about a driver that has: %s', (fault, remedy) => {
    const reports = [{ collector: 'nvidia-smi', seconds: 1, fault }];
    const [finding] = diagnoseMemory(aReading({ reports }));
    expect(finding?.remedy.join(' ')).toMatch(remedy);
  });

  it('reports process IDs of another namespace', () => {
    const gpus = [{ gpu: '0', uuid: 'GPU-0', name: 'RTX', pool: 'vram' as const }];
    const found = diagnoseMemory(aReading({ gpus, foreignPids: true }));
    expect(found.map(({ mark, cause }) => `${mark} ${cause}`)).toEqual(['ok fine', 'warn pids_foreign']);
    expect(found[1]?.remedy[0]).toContain('pid: host; in a pod, hostPID: true');
  });

  it('reports orphans, and models in containers', () => {
    const orphans = [{ router: 'box', model: 'qwen', pid: 7, gpus: [] }];
    const found = diagnoseMemory(aReading({ orphans, contained: [{ router: 'box', model: 'vllm' }] }));
    expect(found.map(({ mark, cause }) => `${mark} ${cause}`)).toEqual([
      'note no_gpu',
      'note models_contained',
      'warn orphan_process',
    ]);
    expect(found[2]?.says).toMatch(/^orphan process 7 of qwen .* router box$/);
  });

  it('reports a router whose processes are hidden', async () => {
    const { found, code } = await checks('gb10', 'auto');
    expect(found.map(({ mark, cause }) => `${mark} ${cause}`)).toEqual(['ok fine', 'warn processes_hidden']);
    expect(found[1]?.says).toMatch(/^models of 127\S+ are loaded, but their processes are not visible here$/);
    expect(code).toBe(0);
  });
});

describe('the series of all models', () => {
  const found = async (flags: Record<string, string>) =>
    (await exporterChecks(flags)).checks.filter(({ check }) => check === 'series');

  it('beyond the limit are a warning', async () => {
    const models = Array.from({ length: 50 }, (_, n) => ({ id: `m${n}`, loadSeconds: 0 }));
    const { url } = await aRouter({ models });
    const { text, code } = await consult([url], {
      flags: { 'web.max-series': '1000', output: 'json' },
    });
    const { checks } = JSON.parse(text).exporter as { checks: Finding[] };
    expect(checks.filter(({ check }) => check === 'series')).toEqual([
      expect.objectContaining({
        mark: 'warn',
        cause: 'too_many_models',
        says: '50 models with at least 1250 series, but web.max_series is 1000',
      }),
    ]);
    expect(code).toBe(0);
  });

  it('within the limit are not mentioned', async () => {
    expect(await found({ 'web.max-series': '1000' })).toEqual([]);
  });
});
