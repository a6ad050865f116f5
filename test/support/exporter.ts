import { createConfigSource } from '../../src/config/source.ts';
import { createLogger } from '../../src/lib/logger.ts';
import { type Service, type ServiceParts, startService } from '../../src/service.ts';
import { until } from './until.ts';

export interface RunningExporter {
  service: Service;
  url: string;
  /** The scrape as it is now. */
  scrape(accept?: string): Promise<string>;
  /** The value of the one series with exactly these labels; undefined when there is none. */
  value(name: string, labels?: Record<string, string>): Promise<number | undefined>;
  /** Resolves when a series has this value. */
  untilValue(name: string, labels: Record<string, string>, wanted: number): Promise<void>;
  log(): string;
  stop(): Promise<void>;
}

/**
 * Starts the whole service in this process, on a free port of loopback. `flags` as on the command line, where without
 * routers a file has some; `parts` instead of those of this machine.
 */
export async function startExporter(
  routers: readonly string[],
  flags: Record<string, string> = {},
  env: Record<string, string> = {},
  parts: Pick<ServiceParts, 'memory' | 'clock'> = {},
): Promise<RunningExporter> {
  let lines = '';
  const log = createLogger({
    level: 'debug',
    format: 'logfmt',
    write: (line) => (lines += line),
    now: Date.now,
  });
  const config = createConfigSource({
    env,
    flags: {
      ...(routers.length > 0 && { router: [...routers] }),
      'web.listen-address': '127.0.0.1:0',
      // What takes a moment takes longer than the 2.5 s of the default on a busy machine.
      'unload.answer-within': '6s',
      ...flags,
    },
  });
  const service = await startService({ config, log, version: '0.0.0-test', ...parts });
  const url = `http://127.0.0.1:${service.port}`;
  const scrape = async (accept = 'text/plain') => {
    const answer = await fetch(`${url}/metrics`, { headers: { accept } });
    if (!answer.ok) throw new Error(`/metrics answers ${answer.status}`);
    return answer.text();
  };
  const value = async (name: string, labels: Record<string, string> = {}) =>
    valueIn(await scrape(), name, labels);
  await service.fleet.ready();
  return {
    service,
    url,
    scrape,
    value,
    async untilValue(name, labels, wanted) {
      await until(
        `${name}${JSON.stringify(labels)} to be ${wanted}`,
        async () => (await value(name, labels)) === wanted,
        { everyMs: 50 },
      );
    },
    log: () => lines,
    stop: service.stop,
  };
}

/** The value of a series in an exposition whose label values need no escaping. */
export function valueIn(text: string, name: string, labels: Record<string, string>): number | undefined {
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  for (const line of text.split('\n')) {
    if (!line.startsWith(`${name}{`) && !line.startsWith(`${name} `)) continue;
    if (wanted.every((label) => line.includes(label))) return Number(line.slice(line.lastIndexOf(' ') + 1));
  }
  return undefined;
}
