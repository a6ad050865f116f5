import { failed, ok, type Result } from '../lib/result.ts';
import type { Secret } from '../lib/secret.ts';
import { fileLayer } from './file.ts';
import { isTree, type Layer, type Tree } from './layer.ts';
import { locate } from './locate.ts';
import { nodesOf } from './options.ts';
import { formatPlace, type Place } from './place.ts';
import { ConfigError } from './problem.ts';
import { resolvePaths } from './secrets.ts';
import { type WebFile, webSchema } from './web-schema.ts';
import { readTls, type WebTls } from './web-tls.ts';

/** What the web configuration file asks for. */
export interface WebConfig {
  /** Undefined: plain HTTP. */
  readonly tls: WebTls | undefined;
  /** Sent with every answer. */
  readonly headers: readonly (readonly [string, string])[];
  /** bcrypt hashes by user; empty: nobody needs to be one. */
  readonly users: ReadonlyMap<string, Secret>;
  /** Undefined: requests are not limited. */
  readonly rateLimit: { readonly intervalMs: number; readonly burst: number } | undefined;
}

/** What came of reading it, and every file that it was or would have been made of. */
export interface WebReading {
  readonly files: readonly string[];
  readonly result: Result<WebConfig, ConfigError>;
}

const NODES = nodesOf(webSchema);

/** Reads a web configuration file and the certificates that it names; everything that is wrong is told at once. */
export function readWebConfig(file: string): WebReading {
  const { layer, problems } = fileLayer(file, 'tls_server_config:');
  resolvePaths(layer, NODES);
  const parsed = webSchema.safeParse(layer.tree);
  for (const issue of parsed.error?.issues ?? []) problems.push(...locate(issue, [layer], NODES));
  const section = layer.tree.tls_server_config;
  const written = isTree(section) ? section : {};
  const files = [file, ...['cert_file', 'key_file', 'client_ca_file'].flatMap((key) => textAt(written, key))];
  // A section with anything in it means TLS: to serve plain HTTP for want of a certificate would be the wrong guess.
  const isAsked = Object.values(written).some((value) => value !== undefined);
  const tls = parsed.success && isAsked ? readTls(parsed.data.tls_server_config) : undefined;
  for (const { key, message } of tls?.faults ?? []) {
    problems.push({ ...located(layer, ['tls_server_config', ...key]), message });
  }
  if (problems.length > 0 || !parsed.success) return { files, result: failed(new ConfigError(problems)) };
  return { files, result: ok(configOf(parsed.data, tls?.tls)) };
}

function configOf(
  { http_server_config: http, basic_auth_users: users, rate_limit: { interval, burst } }: WebFile,
  tls: WebTls | undefined,
): WebConfig {
  return Object.freeze({
    tls,
    headers: Object.entries(http.headers).filter(([, value]) => value !== ''),
    users,
    rateLimit: interval > 0 ? { intervalMs: interval * 1000, burst } : undefined,
  });
}

function located(layer: Layer, place: Place) {
  return layer.locate(place) ?? { source: layer.names.join(), key: formatPlace(place) };
}

/** Empty or no text: no file is named. */
function textAt(section: Tree, key: string): string[] {
  const file = section[key];
  return typeof file === 'string' && file !== '' ? [file] : [];
}

/** The same for a start and for `check-config`: throws a ConfigError. */
export function loadWebConfig(file: string): WebConfig {
  const { result } = readWebConfig(file);
  if (!result.ok) throw result.fault;
  return result.value;
}
