import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sidRoot } from '../../tools/install-real-servers/places.mjs';
import { freePort } from './free-port.ts';
import { runRooted, startRooted } from './rooted-process.ts';
import { makeRunFolder } from './run-folder.ts';
import { until } from './until.ts';

/** `old`: of the machine's Debian release (2.42 and 0.25 on Debian 12). `new`: of Debian unstable (3.5, 0.33). */
export type PairVersion = 'old' | 'new';

export const pairVersions: readonly PairVersion[] = ['old', 'new'];

export interface MonitorOptions {
  readonly version: PairVersion;
  /** YAML. May name files of the checkout by their absolute path. */
  readonly config: string;
  /** More flags, none of those given here. */
  readonly flags?: readonly string[];
  /** Default: a free one. */
  readonly port?: number;
  /** More folders whose files the configuration names by absolute path. */
  readonly folders?: readonly string[];
}

/** A real Prometheus or Alertmanager on loopback. */
export interface Monitor {
  readonly url: string;
  /** Its version, such as `2.42.0+ds` or `3.5.3`. */
  readonly version: string;
  /** The `data` of an API answer; rejects with the API's own message. */
  api(path: string): Promise<unknown>;
  log(): string;
  /** Ends it and removes its data. Harmless when called twice. */
  stop(): Promise<void>;
}

export interface Prometheus extends Monitor {
  /** An instant query; `value` is the number, NaN and ±Inf included. A scalar is one sample without labels. */
  query(promql: string): Promise<QuerySample[]>;
}

export interface QuerySample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

/**
 * Starts a Prometheus and resolves when it is ready; rejects with its log when it does not get there. Its
 * first scrape comes five seconds later: its discovery hands over the targets only then, in both versions.
 */
export async function startPrometheus(options: MonitorOptions): Promise<Prometheus> {
  const monitor = await startMonitor('prometheus', options, (port, folder) => [
    `--config.file=${join(folder, 'config.yml')}`,
    `--storage.tsdb.path=${join(folder, 'storage')}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ]);
  const build = (await monitor.api('/api/v1/status/buildinfo')) as { version: string };
  return {
    ...monitor,
    version: build.version,
    async query(promql) {
      return samplesOf(await monitor.api(`/api/v1/query?query=${encodeURIComponent(promql)}`));
    },
  };
}

export interface AlertmanagerOptions extends MonitorOptions {
  /** The port for its peers, and theirs; without, it has none. */
  readonly cluster?: { readonly port: number; readonly peers: readonly number[] };
}

/** Starts an Alertmanager and resolves when it is ready; whether it has found its peers is another question. */
export async function startAlertmanager(options: AlertmanagerOptions): Promise<Monitor> {
  const { port: own, peers = [] } = options.cluster ?? {};
  const monitor = await startMonitor('prometheus-alertmanager', options, (port, folder) => [
    `--config.file=${join(folder, 'config.yml')}`,
    `--storage.path=${join(folder, 'storage')}`,
    `--web.listen-address=127.0.0.1:${port}`,
    `--cluster.listen-address=${own === undefined ? '' : `127.0.0.1:${own}`}`,
    ...peers.map((peer) => `--cluster.peer=127.0.0.1:${peer}`),
  ]);
  const status = (await monitor.api('/api/v2/status')) as { versionInfo: { version: string } };
  return { ...monitor, version: status.versionInfo.version };
}

/** `promtool check metrics` on an exposition: code 0 is clean, 3 has lint findings, 1 does not parse. */
export function checkMetrics(text: string, version: PairVersion = 'new'): ToolResult {
  return promtool(['check', 'metrics'], { version, input: text });
}

/** Runs promtool; `args` may name files of the checkout, and of these folders, by their absolute path. */
export function promtool(args: readonly string[], options: ToolOptions = {}): ToolResult {
  return runTool('promtool', args, options);
}

/** Runs Alertmanager's amtool in the same way. */
export function amtool(args: readonly string[], options: ToolOptions = {}): ToolResult {
  return runTool('amtool', args, options);
}

interface ToolOptions {
  readonly version?: PairVersion;
  readonly input?: string;
  readonly folders?: readonly string[];
}

interface ToolResult {
  readonly code: number;
  readonly output: string;
}

function runTool(
  command: string,
  args: readonly string[],
  { version = 'new', input = '', folders = [] }: ToolOptions,
): ToolResult {
  return runRooted({ command, args, ...rootOf(version), folders: [checkout, ...folders] }, input);
}

const checkout = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

function rootOf(version: PairVersion): { root?: string } {
  return version === 'new' ? { root: sidRoot } : {};
}

type Flags = (port: number, folder: string) => string[];

async function startMonitor(command: string, options: MonitorOptions, flags: Flags): Promise<Monitor> {
  const port = options.port ?? (await freePort());
  const url = `http://127.0.0.1:${port}`;
  const folder = makeRunFolder(command);
  writeFileSync(join(folder, 'config.yml'), options.config);
  const started = await startRooted(
    {
      command,
      args: [...flags(port, folder), ...(options.flags ?? [])],
      ...rootOf(options.version),
      folders: [folder, checkout, ...(options.folders ?? [])],
    },
    join(folder, 'log'),
  );
  let lastLog = '';
  const log = () => lastLog || started.log();
  const stop = async () => {
    if (lastLog !== '') return;
    await started.end('SIGTERM');
    lastLog = started.log() || '(nothing printed)';
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await until(`${command} to be ready`, () => !started.alive() || answers(`${url}/-/ready`));
    if (!started.alive()) throw new Error(`${command} ended at once`);
  } catch (error) {
    await stop();
    throw new Error(`${String(error)}. It said:\n${log()}`, { cause: error });
  }
  return { url, version: '', api: (path) => ask(url + path), log, stop };
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}

/** Prometheus wraps its answers in `{status, data}`; Alertmanager gives them bare, and errors as a string. */
async function ask(url: string): Promise<unknown> {
  const answer = await fetch(url);
  const body = (await answer.json()) as { data?: unknown; error?: string };
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${body.error ?? JSON.stringify(body)}`);
  return body.data ?? body;
}

type Point = readonly [seconds: number, value: string];

function samplesOf(data: unknown): QuerySample[] {
  const { resultType, result } = data as { resultType: string; result: unknown };
  if (resultType === 'scalar') return [{ metric: {}, value: numberOf(result as Point) }];
  const vector = result as { metric: Record<string, string>; value: Point }[];
  return vector.map(({ metric, value }) => ({ metric, value: numberOf(value) }));
}

/** Prometheus writes infinities as `+Inf` and `-Inf`. */
function numberOf([, value]: Point): number {
  return Number(value.replace('Inf', 'Infinity'));
}
