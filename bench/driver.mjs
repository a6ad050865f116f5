import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { scrape, until } from './support/ask.mjs';
import { quantile, table } from './support/figures.mjs';
import { flag } from './support/flags.mjs';
import { freePort } from './support/free-port.mjs';
import { openClient } from './support/keep-alive-client.mjs';
import { startExporter } from './support/processes.mjs';

export const usage = 'driver: scrape time while nvidia-smi hangs and while it answers, in turn.';

export const flags = {
  rounds: flag(400, 'turns of each'),
  turn: flag(10, 'scrapes in one turn'),
};

/** @typedef {import('./support/flags.mjs').ValuesOf<typeof flags>} Flags */

/** Two cards that answer at once, and a driver that never does. */
const PROGRAMS = {
  answers: `#!/bin/sh
case "$1" in
  --query-gpu=*) echo '0, GPU-0000, NVIDIA L40S, 46068, 8211, 37857, 3'; echo '1, GPU-0001, NVIDIA L40S, 46068, 211, 45857, 0';;
esac
`,
  hangs: '#!/bin/sh\nexec sleep 3600\n',
};

/** @param {Flags} flags */
export async function run(flags) {
  const folder = mkdtempSync(join(tmpdir(), 'driver-'));
  try {
    const queues = [];
    for (const [driver, program] of Object.entries(PROGRAMS)) {
      const file = join(folder, driver);
      writeFileSync(file, program);
      chmodSync(file, 0o755);
      queues.push(await open(driver, file));
    }
    for (let round = -20; round < flags.rounds; round += 1) {
      for (const { client, times } of queues) {
        for (let scrape = 0; scrape < flags.turn; scrape += 1) {
          const { milliseconds } = await client.get('identity');
          if (round >= 0) times.push(milliseconds);
        }
      }
    }
    const p99 = queues.map(({ times }) => quantile(times, 0.99));
    console.log(
      `\nReadings of memory every second, ${queues[0]?.times.length} scrapes of each, milliseconds:\n`,
    );
    console.log(
      table(
        ['nvidia-smi', 'collector_success', 'p50', 'p99', 'longest'],
        queues.map(({ driver, success, times }, at) => [
          driver,
          success,
          quantile(times, 0.5).toFixed(3),
          (p99[at] ?? 0).toFixed(3),
          Math.max(...times).toFixed(2),
        ]),
      ),
    );
    console.log(
      `\np99 while it hangs: ${((p99[1] ?? 0) / (p99[0] ?? 1)).toFixed(2)} × that of a healthy one.`,
    );
    for (const { client, exporter } of queues) {
      client.close();
      await exporter.stop();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * An exporter without a router, with this driver; resolves when its collector has reported whether it succeeds.
 * @param {string} driver
 * @param {string} program
 */
async function open(driver, program) {
  const port = await freePort();
  const exporter = await startExporter([
    '--router=http://127.0.0.1:9',
    `--web.listen-address=127.0.0.1:${port}`,
    `--memory.nvidia-smi=${program}`,
    '--memory.interval=1s',
    '--memory.timeout=2s',
  ]);
  const pattern = /llama_router_collector_success\{collector="nvidia-smi"\} (\d)/;
  const read = async () => pattern.exec(await scrape(port))?.[1];
  const success = await until(`the first reading of an nvidia-smi that ${driver}`, read, { everyMs: 100 });
  return { driver, success, exporter, client: await openClient(port), times: /** @type {number[]} */ ([]) };
}
