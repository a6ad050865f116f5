import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/** The result of drawing one panel. */
export interface DrawnPanel {
  readonly dashboard: string;
  readonly title: string;
  readonly faults: readonly string[];
}

/** Seconds since the epoch: what graphs show, and when everything else was so. */
interface Times {
  readonly prometheus: string;
  readonly from: number;
  readonly to: number;
  readonly now: number;
}

const checkout = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Has tools/draw-dashboards draw all dashboards from a Prometheus that scrapes every second, and writes nothing.
 * Installs its packages when they are missing. Rejects with what it said when it breaks.
 */
export async function drawDashboards({ prometheus, from, to, now }: Times): Promise<readonly DrawnPanel[]> {
  await run(['tools/ensure-installed.mjs', 'tools/draw-dashboards']);
  const seconds = { from, to, now };
  const times = Object.entries(seconds).map(([name, at]) => `--${name}=${at}`);
  const steps = ['--scrape-seconds=1', '--least-step=1s'];
  const wish = [`--prometheus=${prometheus}`, ...times, ...steps, '--themes=dark', '--json'];
  return JSON.parse(await run(['tools/draw-dashboards/draw.mjs', ...wish]));
}

/** What it printed; it also exits with 1 when it found faults, which it then has printed. */
async function run(args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [...args], { cwd: checkout, stdio: ['ignore', 'pipe', 'pipe'] });
  const [output, said, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  if (code === 0 || output.startsWith('[')) return output;
  throw new Error(`node ${args.join(' ')} ended with ${code}:\n${output}${said}`);
}
