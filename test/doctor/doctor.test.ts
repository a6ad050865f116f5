import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { playRecording } from '../support/fake-nvidia-smi.ts';
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

/** What it prints of the one router at this port; the last two paragraphs are about ourselves. */
async function of(port: number | string, given: Consultation = {}): Promise<string> {
  const url = typeof port === 'string' ? port : `http://127.0.0.1:${port}`;
  const { text, code } = await consult([url], given);
  return `${text.split('\n\nexporter\n')[0]}\nexit ${code}`;
}

const WELL = `http://127.0.0.1:PORT
  ok    connection  127.0.0.1:PORT answers
  ok    router      llama.cpp in router mode, build b11669-simulated
  ok    models      2 models: 1 unloaded, 1 loaded
  ok    limit       at most 4 models in memory (--models-max)
  ok    metrics     qwen tells its own metrics
  ok    events      the event stream is open: changes are seen as they happen

exporter
  note  state       nothing survives a restart: no state.file is configured
  note  audit       what is unloaded is in the log only: no audit.file is set
  note  memory      no GPU is found: of models on this machine, resident memory and CPU time are told
        what to do: If there is one: NVIDIA needs nvidia-smi (memory.nvidia_smi), AMD and Intel the /sys of the machine (path.sysfs).

All is well.
`;

describe('a router that is well', () => {
  it('is told so, line by line', async () => {
    const { url } = await aRouter({}, 'qwen');
    expect(await consult([url])).toEqual({ text: WELL, code: 0 });
  });

  it('is not disturbed: nothing is posted, and nothing but its loaded model is asked', async () => {
    const router = await aRouter({}, 'qwen');
    await consult([router.url]);
    expect(router.requests.map(({ method, path, query }) => `${method} ${path} ${query}`.trim())).toEqual([
      'GET /props',
      'GET /models',
      'GET /metrics model=qwen&autoload=false',
      'GET /models/sse',
    ]);
    expect(router.violations).toEqual([]);
  });

  it('is told to machines with a word for each cause', async () => {
    const { url } = await aRouter({ metrics: false }, 'qwen');
    const { text, code } = await consult([url], { flags: { output: 'json' } });
    const { routers: told, exporter, exit_code } = JSON.parse(text);
    expect(told[0].result).toBe('warn');
    expect(told[0].checks.map(({ check, cause }: Record<string, string>) => `${check} ${cause}`)).toEqual([
      'connection fine',
      'router fine',
      'models fine',
      'limit fine',
      'metrics metrics_off',
      'events fine',
    ]);
    expect(exporter).toEqual({
      name: 'exporter',
      url: null,
      result: 'ok',
      checks: [
        {
          check: 'state',
          mark: 'note',
          cause: 'state_not_kept',
          says: 'nothing survives a restart: no state.file is configured',
          remedy: [],
        },
        {
          check: 'audit',
          mark: 'note',
          cause: 'audit_not_kept',
          says: 'what is unloaded is in the log only: no audit.file is set',
          remedy: [],
        },
        expect.objectContaining({ check: 'memory', mark: 'note', cause: 'no_gpu' }),
      ],
    });
    expect([exit_code, code]).toEqual([0, 0]);
  });
});

it('is asked each question on a connection of its own: routers hang up unannounced', async () => {
  const answers = {
    '/props': json(200, { role: 'router' }),
    '/models': json(200, { data: [{ id: 'qwen', status: 'loaded' }] }),
    '/metrics?model=qwen&autoload=false': [200, {}, ''],
    '/models/sse': [200, { 'content-type': 'text/event-stream' }, ''],
  } satisfies Answers;
  const { text } = await consult([`http://127.0.0.1:${await servers.answering(answers, true)}`]);
  expect(text).toMatch(/ok {4}metrics.*\n {2}ok {4}events/);
});

describe('a router that works, but not fully', () => {
  const lineOf = async (check: string, options: TestRouterOptions, loaded?: string) => {
    const told = await of((await aRouter(options, loaded)).url);
    return told.slice(told.indexOf(check) - 8).split(/\n {2}(?=\S)/)[0];
  };

  it('has no --metrics', async () => {
    expect(await lineOf('metrics', { metrics: false }, 'qwen')).toBe(
      `  warn  metrics     qwen has no metrics of its own: llama-server runs without --metrics
        what to do: Restart llama-server with --metrics. Until then there are no llamacpp: metrics, all others are there.`,
    );
  });

  it('is not asked for metrics while no model is awake', async () => {
    expect(await lineOf('metrics', { metrics: true })).toBe(
      '  ok    metrics     models are started with --metrics (none is awake to be asked)',
    );
    expect(await lineOf('metrics', { metrics: false })).toBe(
      `  note  metrics     not known whether models tell their own metrics: none is awake, and asking would load one
        what to do: Run this again when a model is loaded.`,
    );
  });

  it('has no event stream', async () => {
    const told = await of((await aRouter({ shape: 'december-2025' })).url);
    expect(told).toContain(
      `  warn  events      this build has no event stream (/models/sse)
        what to do: It works: models are listed every few seconds. What is shorter, such as a quick reload, goes unseen.
                    Update llama.cpp to see every change.`,
    );
    expect(told).toMatch(/exit 0$/);
  });

  it('keeps any number of models', async () => {
    expect(await lineOf('limit', { modelsMax: 0 })).toBe(
      '  note  limit       any number of models in memory (--models-max 0): none is ever evicted for another',
    );
  });

  it('has no models', async () => {
    expect(await lineOf('models', { models: [] })).toBe(
      `  warn  models      it has no models
        what to do: Give it some: --models-dir DIR, --models-preset FILE, or a download into its cache.`,
    );
  });
});

describe('one router under two addresses', () => {
  const TWIN = `  warn  identity    this is the same server as 127.0.0.1:PORT: every model is counted twice
        what to do: Take one of the two out of the configuration.`;

  it('is known by the processes of its models', async () => {
    const { url } = await aRouter({}, 'qwen');
    const { text, code } = await consult([url, url.replace('127.0.0.1', 'localhost')]);
    expect(text).toContain(TWIN);
    expect(text).toContain('It works, with 1 warning.');
    expect(code).toBe(0);
  });

  it('is known by its address before the first load', async () => {
    const { url } = await aRouter();
    expect((await consult([url, url.replace('127.0.0.1', 'localhost')])).text).toContain(TWIN);
  });

  it('is not suspected of two routers with the same models', async () => {
    const [one, other] = [await aRouter(), await aRouter()];
    expect((await consult([one.url, other.url])).text).not.toContain('identity');
  });
});

describe('an API key', () => {
  it('is missing', async () => {
    expect(await of((await aRouter({ apiKey: 'right' })).url)).toBe(`http://127.0.0.1:PORT
  ok    connection  127.0.0.1:PORT answers
  FAIL  key         it wants an API key, and none is configured
        what to do: Give it in LLAMA_API_KEY, or write api_key_file: PATH under this router in the configuration file.
                    It is the one of llama-server's --api-key or --api-key-file.
exit 3`);
  });

  it('is wrong', async () => {
    expect(await of((await aRouter({ apiKey: 'right' })).url, { key: 'wrong' })).toBe(`http://127.0.0.1:PORT
  ok    connection  127.0.0.1:PORT answers
  FAIL  key         it does not accept the API key that is configured
        what to do: Compare with llama-server's --api-key or --api-key-file; mind spaces and quotes around it.
                    Ours comes from LLAMA_API_KEY, LLAMA_API_KEY_FILE, or api_key or api_key_file of this router.
exit 3`);
  });

  it('is right', async () => {
    const told = await of((await aRouter({ apiKey: 'right' })).url, { key: 'right' });
    expect(told).toContain('  ok    key         the API key is accepted\n');
    expect(told).not.toContain('right\n');
  });

  it('is wanted by older builds for all but the listing', async () => {
    const denied = json(401, { error: { message: 'Invalid API Key' } });
    const models = json(200, { data: [{ id: 'qwen', status: { value: 'loaded' } }] });
    const told = await of(await servers.answering({ '/models': models, '*': denied }));
    expect(told).toContain(
      '  FAIL  key         it lists its models to everybody, but wants an API key, and none is configured\n',
    );
    expect(told).toContain('  ok    models      1 model: 1 loaded\n');
  });
});

describe('a server that is no router', () => {
  const router = async (port: number | string) => {
    const told = await of(port);
    return told.slice(told.indexOf('  FAIL'));
  };
  const llama = { server: 'llama.cpp' };
  const listing = (owner: string) => json(200, { data: [{ id: 'a', object: 'model', owned_by: owner }] });

  it('serves a single model', async () => {
    expect(await router((await aRouter({ role: 'single' })).url)).toBe(
      `  FAIL  router      this is a llama-server with one model, not a router
        what to do: Start llama-server without -m, -hf and LLAMA_ARG_MODEL: --models-dir DIR gives it its models.
                    If a router runs too, give its port: this may be the one of a model's own process.
exit 3`,
    );
  });

  it('is a llama-server of before router mode', async () => {
    const props = json(200, { default_generation_settings: {}, total_slots: 1 });
    const answers = { '/props': props, '/v1/models': listing('llamacpp'), '*': json(404, {}, llama) };
    expect(await router(await servers.answering(answers))).toBe(
      `  FAIL  router      this is a llama-server without router mode: it knows no /models
        what to do: Update llama.cpp: router mode came in December 2025.
                    Then start llama-server without -m: --models-dir DIR gives it its models.
exit 3`,
    );
  });

  it('has /v1/models only', async () => {
    expect(await router(await servers.answering({ '/v1/models': listing('vllm') }))).toBe(
      `  FAIL  router      it answers /v1/models, but not /models (it looks like vLLM): an OpenAI-like server, no llama.cpp router
        what to do: This program follows the router mode of llama.cpp: llama-server started without -m.
                    vLLM, Ollama, LM Studio and others cannot be followed: give the address of the router.
exit 3`,
    );
  });

  it('lists models without statuses', async () => {
    expect(await router(await servers.answering({ '/models': listing('llama-swap') }))).toBe(
      `  FAIL  router      it lists models without telling which are loaded (it looks like llama-swap): it is no llama.cpp router
        what to do: This program follows the router mode of llama.cpp: llama-server started without -m.
                    llama-swap, LocalAI and others answer /models too: they cannot be followed.
exit 3`,
    );
  });

  it.each<[string, Answers, string]>([
    [
      'a web page',
      { '*': [200, { 'content-type': 'text/html' }, '<title>Open WebUI</title>'] },
      "a web page titled 'Open WebUI'",
    ],
    ['a 404', { '*': [404, {}, '404 page not found\n'] }, '404 and text: 404 page not found'],
    [
      'other JSON',
      { '*': json(200, { status: 'success', data: {} }) },
      '200 and other JSON: {"status":"success","data":{}}',
    ],
    ['escape sequences', { '*': [200, {}, '\u001b[31mred'] }, '200 and text: [31mred'],
  ])('is something else: %s', async (_, answers, what) => {
    expect(await router(await servers.answering(answers))).toBe(
      `  FAIL  router      this is no llama-server: it answers ${what}
        what to do: Check the port: llama-server's default is 8080, \`ss -ltnp\` on its machine tells which is whose.
exit 3`,
    );
  });

  it('redirects', async () => {
    expect(await router(await servers.answering({ '*': [302, { location: '/login' }, ''] }))).toBe(
      `  FAIL  router      it redirects to /login
        what to do: Give the address that it redirects to, or the one of llama-server itself.
                    A redirect to a login is that of another program, or of a proxy: redirects are not followed.
exit 3`,
    );
  });

  it('is a proxy that reaches nobody', async () => {
    expect(await router(await servers.answering({ '*': [502, { server: 'nginx' }, 'Bad Gateway'] }))).toBe(
      `  FAIL  router      a proxy (nginx) answers 502: it does not reach llama-server behind it
        what to do: Start llama-server, or mend where the proxy sends requests for this URL.
exit 3`,
    );
  });

  it('is a router whose listing nobody can read', async () => {
    const answers = { '/props': json(200, { role: 'router' }), '/models': json(200, { models: [] }) };
    expect(await router(await servers.answering(answers))).toBe(
      `  FAIL  router      it is a router, but its /models is no list of models: 200 {"models":[]}
        what to do: A proxy in between that rewrites it, or a build that nobody here knows yet.
                    Please report it, with the output of: curl http://127.0.0.1:PORT/models
exit 3`,
    );
  });

  it('lists with statuses, but has no /props: it is followed', async () => {
    const models = json(200, { data: [{ id: 'a', status: 'loaded' }, { id: 'b', status: 'warming' }, 7] });
    expect(await of(await servers.answering({ '/models': models }))).toBe(`http://127.0.0.1:PORT
  ok    connection  127.0.0.1:PORT answers
  warn  router      it lists models as a router does, but its /props does not say that it is one
        what to do: It is followed. If a proxy is in between, let /props pass: it tells the build and --models-max.
  warn  models      1 of 3 entries cannot be read: data[2]: Invalid input: expected object, received number
        what to do: The others are followed.
                    Please report it, with the output of: curl http://127.0.0.1:PORT/models
  warn  events      this build has no event stream (/models/sse)
        what to do: It works: models are listed every few seconds. What is shorter, such as a quick reload, goes unseen.
                    Update llama.cpp to see every change.
exit 0`);
  });
});

describe('a router that cannot be reached', () => {
  it('refuses connections', async () => {
    const port = await servers.odd(() => {});
    servers.close();
    expect(await of(port)).toBe(`http://127.0.0.1:PORT
  FAIL  connection  127.0.0.1:PORT refuses connections: nothing listens there
        what to do: Start llama-server there.
                    Or give the right address: --router URL, LLAMA_SERVER_URL, or routers[].url in the file.
                    In a container, localhost is the container itself: give the host's name instead.
exit 3`);
  });

  it('never answers', async () => {
    expect(await of(await servers.odd(() => {}))).toBe(`http://127.0.0.1:PORT
  FAIL  connection  127.0.0.1:PORT takes connections, and gives no answer within 0.1 s
        what to do: If this is llama-server, it hangs: look at its log, and restart it.
                    With many clients it needs more HTTP workers: --threads-http 16.
                    If this is something else, the port is wrong.
exit 3`);
  });

  it('hangs up', async () => {
    expect(await of(await servers.odd((socket) => socket.destroy()))).toBe(`http://127.0.0.1:PORT
  FAIL  connection  127.0.0.1:PORT closes the connection instead of answering
        what to do: A llama-server that is just starting or ending does so: try again.
                    If it stays so, the port is that of another program: \`ss -ltnp\` on its machine tells.
exit 3`);
  });

  it('speaks another language', async () => {
    expect(
      await of(await servers.odd((socket) => socket.write('SSH-2.0-OpenSSH_9.2\r\n'))),
    ).toBe(`http://127.0.0.1:PORT
  FAIL  connection  127.0.0.1:PORT answers, but does not speak HTTP: SSH-2.0-OpenSSH_9.2
        what to do: The port is that of another program: \`ss -ltnp\` on its machine tells which is whose.
                    llama-server's own default is 8080.
exit 3`);
  });

  it('speaks HTTPS', async () => {
    expect(await of(await servers.open(createTlsServer({})))).toBe(`http://127.0.0.1:PORT
  FAIL  connection  127.0.0.1:PORT speaks HTTPS, and the URL says http
        what to do: Write https://127.0.0.1:PORT
exit 3`);
  });

  it('does not speak HTTPS', async () => {
    const { url } = await aRouter();
    expect(await of(url.replace('http:', 'https:'))).toBe(`https://127.0.0.1:PORT
  FAIL  connection  127.0.0.1:PORT does not speak HTTPS, and the URL says https
        what to do: Write http://127.0.0.1:PORT
exit 3`);
  });
});

const NO_AUDIT = '  note  audit       what is unloaded is in the log only: no audit.file is set\n';

describe('the state file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'doctor-'));
  const given = async (path: string) => {
    const { url } = await aRouter({}, 'qwen');
    const { text, code } = await consult([url], { flags: { 'state.file': path } });
    const told = text.split('exporter\n')[1]?.replaceAll(folder, 'FOLDER').replace(NO_AUDIT, '');
    return { told: told?.replace(/ {2}note {2}memory.*\n.*\n/, ''), code };
  };
  const path = join(folder, 'state.json');

  afterEach(() => {
    for (const left of readdirSync(folder)) rmSync(join(folder, left), { recursive: true });
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  it('can be made, and is not made', async () => {
    expect(await given(path)).toEqual({
      told: '  ok    state       FOLDER/state.json can be made and written\n\nAll is well.\n',
      code: 0,
    });
    expect((await given(join(folder, 'new', 'state.json'))).code).toBe(0);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('can be read and written, and is left as it is', async () => {
    const state = JSON.stringify({ version: 1, savedAt: 1, counters: [], lastUnloads: [] });
    writeFileSync(path, state);
    expect((await given(path)).told).toContain('FOLDER/state.json can be read and written\n');
    expect(readdirSync(folder)).toEqual(['state.json']);
    expect(readFileSync(path, 'utf8')).toBe(state);
  });

  it('is damaged, and is left as it is', async () => {
    writeFileSync(path, '{"version":1,"savedA');
    expect(await given(path)).toEqual({
      told: `  warn  state       FOLDER/state.json is damaged, or of another version
        what to do: At its next start, the service sets it aside and begins with counters at 0. Nothing else is lost.
                    If there is a backup of it, put that in its place before.

It works, with 1 warning.
`,
      code: 0,
    });
    expect(readdirSync(folder)).toEqual(['state.json']);
    expect(readFileSync(path, 'utf8')).toBe('{"version":1,"savedA');
  });

  it('lies beneath a file', async () => {
    writeFileSync(path, '');
    expect(await given(join(path, 'deep', 'state.json'))).toEqual({
      told: `  FAIL  state       FOLDER/state.json/deep/state.json cannot be written (ENOTDIR)
        what to do: FOLDER/state.json is a file, not a folder: correct state.file.
                    Until then, counters start at 0 after every restart.

1 failure.
`,
      code: 1,
    });
  });

  it('is a folder', async () => {
    expect((await given(folder)).told).toContain('cannot be written (EISDIR)');
  });
});

describe('the audit file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'doctor-'));
  const path = join(folder, 'audit.jsonl');
  const given = async (file: string) => {
    const { url } = await aRouter({}, 'qwen');
    const { text, code } = await consult([url], { flags: { 'audit.file': file } });
    const told = text.split('\n').filter((line) => line.includes(' audit  '));
    return [told.map((line) => line.replaceAll(folder, 'FOLDER').trim()), code];
  };
  afterAll(() => rmSync(folder, { recursive: true }));

  it('can be made, and is not made; can be added to, and is left as it is', async () => {
    expect(await given(path)).toEqual([['ok    audit       FOLDER/audit.jsonl can be made'], 0]);
    expect(readdirSync(folder)).toEqual([]);
    writeFileSync(path, '{}\n');
    expect(await given(path)).toEqual([['ok    audit       FOLDER/audit.jsonl can be added to'], 0]);
    expect(readFileSync(path, 'utf8')).toBe('{}\n');
  });

  it('cannot be written where a file is in the way, or a folder', async () => {
    expect(await given(join(path, 'deeper'))).toEqual([
      ['FAIL  audit       FOLDER/audit.jsonl/deeper cannot be written (ENOTDIR)'],
      1,
    ]);
    expect(await given(folder)).toEqual([['FAIL  audit       FOLDER cannot be written (EISDIR)'], 1]);
  });
});

describe('the memory of this machine', () => {
  const told = async (flags: Record<string, string>, local: 'auto' | 'no' = 'no') => {
    const { text, code } = await consult([(await aRouter({}, 'qwen')).url], { flags, local });
    return { told: text.split('exporter\n')[1]?.split('\n').slice(2).join('\n'), code };
  };

  it('has no GPU', async () => {
    expect(await told({})).toEqual({
      told: `  note  memory      no GPU is found: of models on this machine, resident memory and CPU time are told
        what to do: If there is one: NVIDIA needs nvidia-smi (memory.nvidia_smi), AMD and Intel the /sys of the machine (path.sysfs).

All is well.
`,
      code: 0,
    });
  });

  it('has GPUs', async () => {
    expect(await told({ 'memory.nvidia-smi': playRecording('two-cards') })).toEqual({
      told: `  ok    memory      NVIDIA GeForce RTX 3090 (vram: 20.6 GiB used of 24.0 GiB); NVIDIA RTX A6000 (vram: 8.0 GiB used of 48.0 GiB)

All is well.
`,
      code: 0,
    });
  });

  it('has a driver that does not work', async () => {
    expect(await told({ 'memory.nvidia-smi': playRecording('driver-mismatch') })).toEqual({
      told: `  warn  memory      nvidia-smi: it ended with 18: Failed to initialize NVML: Driver/library version mismatch NVML library version: 570.195
        what to do: The driver was updated and the kernel still runs the old one: restart the machine.

It works, with 1 warning.
`,
      code: 0,
    });
  });

  it('hides the processes of a router that should be here', async () => {
    const { told: text, code } = await told({ 'memory.nvidia-smi': playRecording('gb10') }, 'auto');
    expect(text?.replace(/127[^ ]+/, 'ROUTER').replace(/\(host: .*\)/, '(host: …)')).toBe(
      `  ok    memory      NVIDIA GB10 (host: …)
  warn  memory      models of ROUTER are loaded, and their processes are not to be seen here
        what to do: In a container: share the machine's process table (pid: host; in a pod, hostPID: true).
                    If that router runs on another machine: local: no under it in the configuration file.

It works, with 1 warning.
`,
    );
    expect(code).toBe(0);
  });
});
