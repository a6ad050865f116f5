import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { systemClock } from '../.build/src/lib/clock.js';
import { createMachine } from '../.build/src/memory/machine.js';
import { startMemory } from '../.build/src/memory/memory.js';
import { until } from './support/ask.mjs';
import { median, quantile, table } from './support/figures.mjs';
import { flag } from './support/flags.mjs';

export const usage = 'memory: cost of a memory reading on a machine with thousands of processes. Linux only.';

export const flags = {
  processes: flag(2000, 'started for it, all asleep'),
  readings: flag(50, 'after the first'),
};

/** @typedef {import('./support/flags.mjs').ValuesOf<typeof flags>} Flags */

/** @param {Flags} flags */
export async function run(flags) {
  const sleepers = `i=0; while [ $i -lt ${flags.processes} ]; do sleep 600 & i=$((i+1)); done; wait`;
  const crowd = spawn('sh', ['-c', sleepers], { detached: true, stdio: 'ignore' });
  try {
    const isCrowd = () => processes() >= flags.processes;
    await until(`${flags.processes} processes`, isCrowd, { everyMs: 100, withinMs: 300_000 });
    const machine = { procfs: '/proc', sysfs: '/sys', nvidiaSmi: '', timeoutMs: 60_000 };
    const measure = createMachine({ ...machine, maxOthers: 3, routers: () => [] }, systemClock);
    const memory = startMemory({ measure, intervalMs: 2 ** 30, timeoutMs: machine.timeoutMs }, systemClock);
    const rows = [];
    const first = await timed(memory);
    rows.push(['the first', first.wall.toFixed(1), first.cpu.toFixed(1), first.blocked.toFixed(1)]);
    /** @type {Awaited<ReturnType<typeof timed>>[]} */
    const later = [];
    for (let reading = 0; reading < flags.readings; reading += 1) later.push(await timed(memory));
    for (const [name, share] of /** @type {const} */ ([
      ['later, median', 0.5],
      ['later, longest', 1],
    ])) {
      const of = (/** @type {'wall' | 'cpu' | 'blocked'} */ key) =>
        quantile(
          later.map((each) => each[key]),
          share,
        ).toFixed(1);
      rows.push([name, of('wall'), of('cpu'), of('blocked')]);
    }
    await memory.stop();
    const cpu = later.reduce((sum, each) => sum + each.cpu, 0) / later.length;
    console.log(`\n${processes()} processes, milliseconds:\n`);
    console.log(table(['reading', 'time', 'CPU', 'longest turn of the loop'], rows));
    console.log(
      `\nEvery 5 s: ${(cpu / 50).toFixed(2)} % of a core (median reading ${(median(later.map((each) => each.cpu)) / 50).toFixed(2)} %).`,
    );
  } finally {
    if (crowd.pid !== undefined && crowd.exitCode === null) process.kill(-crowd.pid);
  }
}

/** @param {import('../.build/src/memory/memory.js').Memory} memory */
async function timed(memory) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const [at, before] = [performance.now(), process.cpuUsage()];
  await memory.fresh(60_000);
  const { user, system } = process.cpuUsage(before);
  const wall = performance.now() - at;
  delay.disable();
  return { wall, cpu: (user + system) / 1000, blocked: delay.max > 0 ? delay.max / 1e6 : 0 };
}

/** How many processes this machine has. */
const processes = () => readdirSync('/proc').filter((name) => /^\d+$/.test(name)).length;
