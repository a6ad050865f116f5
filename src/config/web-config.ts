import { statSync } from 'node:fs';
import { codeOf } from '../lib/error-code.ts';
import { failed, ok, type Result } from '../lib/result.ts';
import { fileLayer } from './file.ts';
import { isTree } from './layer.ts';
import { nodesOf } from './options.ts';
import { ConfigError, locate, problemsOf } from './problem.ts';
import { resolvePaths } from './secrets.ts';
import { type WebFile, webSchema } from './web-schema.ts';
import { readTls, type WebTls } from './web-tls.ts';

/** The web configuration file: TLS, headers, users and rate limit. */
export type WebConfig = ReturnType<typeof webConfigOf>;

const NODES = nodesOf(webSchema);

/** Reads a web configuration file and its certificates. `files`: every file that was read or could not be. */
export function readWebConfig(file: string): { files: string[]; result: Result<WebConfig, ConfigError> } {
  const { layer, problems } = fileLayer(file, 'tls_server_config');
  resolvePaths(layer, NODES);
  const parsed = webSchema.safeParse(layer.tree);
  problems.push(...problemsOf(parsed.error?.issues ?? [], [layer], NODES));
  const section = layer.tree.tls_server_config;
  const written = isTree(section) ? section : {};
  const pemFiles = [written.cert_file, written.key_file, written.client_ca_file];
  const files = [file, ...pemFiles.filter((name) => typeof name === 'string' && name !== '')] as string[];
  // Any key in the section means TLS: without a certificate, plain HTTP would be the wrong guess.
  const isTls = Object.values(written).some((value) => value !== undefined);
  const tls = parsed.success && isTls ? readTls(parsed.data.tls_server_config) : undefined;
  for (const { key, message } of tls === undefined || tls.ok ? [] : tls.fault) {
    const place = key === undefined ? ['tls_server_config'] : ['tls_server_config', key];
    problems.push({ ...locate(place, [layer]), message });
  }
  if (problems.length > 0 || !parsed.success) return { files, result: failed(new ConfigError(problems)) };
  return { files, result: ok(webConfigOf(parsed.data, tls?.ok ? tls.value : undefined)) };
}

function webConfigOf(file: WebFile, tls: WebTls | undefined) {
  const { interval, burst } = file.rate_limit;
  const headers: readonly (readonly [string, string])[] = Object.entries(
    file.http_server_config.headers,
  ).filter(([, value]) => value !== '');
  return Object.freeze({
    /** Undefined: plain HTTP. */
    tls,
    headers,
    /** bcrypt hashes by user; empty: no user is required. */
    users: file.basic_auth_users,
    /** Undefined: no limit. */
    rateLimit: interval > 0 ? { intervalMs: interval * 1000, burst } : undefined,
  });
}

/** The web configuration, or a ConfigError with all problems. */
export function loadWebConfig(file: string): WebConfig {
  const { result } = readWebConfig(file);
  if (!result.ok) throw result.fault;
  return result.value;
}

/** The files are checked for changes at most this often. */
const CHECK_EVERY_MS = 1000;

/**
 * Loads the web configuration and follows changes of its files; throws a ConfigError at first. `onReload` is called
 * after each change, with the problems of the files or, when they are active, with undefined.
 */
export function createWebSource(
  file: string,
  { now, onReload }: { now(): number; onReload(fault: ConfigError | undefined): void },
) {
  let reading = readStamped(file, [file]);
  if (!reading.result.ok) throw reading.result.fault;
  let config = reading.result.value;
  let checkedAt = now();
  return {
    /** Reads the files again if one has changed. Files with a problem leave the previous configuration active. */
    current(): WebConfig {
      if (now() - checkedAt < CHECK_EVERY_MS) return config;
      checkedAt = now();
      if (stampOf(reading.files) === reading.stamp) return config;
      reading = readStamped(file, reading.files);
      const { result } = reading;
      if (result.ok) config = result.value;
      onReload(result.ok ? undefined : result.fault);
      return config;
    },
  };
}

/** Takes the stamp before reading: a change in between is found at the next check. */
function readStamped(
  file: string,
  files: readonly string[],
): ReturnType<typeof readWebConfig> & { stamp: string } {
  const stamp = stampOf(files);
  const reading = readWebConfig(file);
  if (reading.files.join() === files.join()) return { ...reading, stamp };
  return readStamped(file, reading.files);
}

/** Differs when any of the files differs. */
function stampOf(files: readonly string[]): string {
  return files.map(stampOfFile).join('\n');
}

function stampOfFile(file: string): string {
  try {
    const { ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true });
    return [ino, size, mtimeNs, ctimeNs].join();
  } catch (error) {
    return codeOf(error);
  }
}
