import { type ChildProcess, spawn } from 'node:child_process';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { systemClock } from '../../src/lib/clock.ts';
import { createMachine } from '../../src/memory/machine.ts';
import type { ModelProcessHint } from '../../src/memory/parents.ts';
import { freePort } from '../support/free-port.ts';
import { isAlive } from '../support/process-table.ts';
import { until } from '../support/until.ts';

/** Node takes more than this; a shell alone takes less. */
const MIB_OF_NODE = 20 * 1024 * 1024;

/** Listens like a llama-swap and starts each command as the leader of a process group; prints their pids. */
const SWAP = `
const [port, ...commands] = JSON.parse(process.argv[1]);
require('node:net').createServer().listen(port, '127.0.0.1', () => {
  const pids = commands.map(([program, ...args]) =>
    require('node:child_process').spawn(program, args, { detached: true, stdio: 'ignore' }).pid);
  console.log(JSON.stringify(pids));
});`;

let swap: ChildProcess;
let pids: number[] = [];
let models: ModelProcessHint[] = [];
let measure: () => ReturnType<ReturnType<typeof createMachine>>;

beforeEach(async () => {
  const [port, modelPort] = [await freePort(), await freePort()];
  // Ends by itself, should the test not end it.
  const node = (script: string) => [process.execPath, '-e', `setTimeout(process.exit, 60_000);${script}`];
  const quoted = (args: string[]) => args.map((arg) => `'${arg}'`).join(' ');
  const waiting = quoted(node(''));
  const serving = quoted(node(`require("node:net").createServer().listen(${modelPort})`));
  const commands = [
    ['sh', '-c', `${waiting} & wait`],
    ['sh', '-c', `${serving} & wait; # started by a script`],
  ];
  models = [model('wrapped', `sh -c "${waiting} & wait"`, 1), model('served', 'start-the-model', modelPort)];
  swap = spawn(process.execPath, ['-e', SWAP, JSON.stringify([port, ...commands])], { argv0: 'llama-swap' });
  pids = await new Promise((resolve) =>
    swap.stdout?.once('data', (text) => resolve(JSON.parse(String(text)))),
  );
  const router = { name: 'box', url: `http://127.0.0.1:${port}`, local: 'auto', isListed: true } as const;
  const routers = () => [{ ...router, models }];
  const paths = { procfs: '/proc', sysfs: '/nowhere', nvidiaSmi: '' };
  const machine = createMachine({ ...paths, maxOthers: 0, timeoutMs: 30_000, routers }, systemClock);
  measure = () => machine(new AbortController().signal);
});

afterEach(() => {
  swap.kill('SIGKILL');
  for (const pid of pids) if (isAlive(pid)) process.kill(-pid, 'SIGKILL');
});

function model(id: string, command: string, port: number): ModelProcessHint {
  return { id, aliases: [], isRunning: true, command, port };
}

it('models are the processes below llama-swap, by command and by port; after its end they are orphans until theirs', async () => {
  const found = await until('both models', async () => {
    const reading = await measure();
    const large = reading.models.filter(({ residentBytes = 0 }) => residentBytes > MIB_OF_NODE);
    return large.length === 2 && reading;
  });
  expect([found.models.map((each) => each.model), found.orphans]).toEqual([['wrapped', 'served'], []]);

  swap.kill('SIGKILL');
  models = models.map((each) => ({ ...each, isRunning: false }));
  const { orphans } = await until('two orphans', async () => {
    const reading = await measure();
    return reading.orphans.length === 2 && reading;
  });
  expect(orphans.map(({ router, model: id, pid }) => [router, id, pid])).toEqual([
    ['box', 'wrapped', pids[0]],
    ['box', 'served', pids[1]],
  ]);
  for (const { residentBytes } of orphans) expect(residentBytes).toBeGreaterThan(MIB_OF_NODE);

  for (const pid of pids) process.kill(-pid, 'SIGKILL');
  await until('the orphans to end', async () => (await measure()).orphans.length === 0);
});
