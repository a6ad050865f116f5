import { beforeEach, describe, expect, it } from '@jest/globals';
import { createTree } from '../../src/memory/process-tree.ts';
import { createProcesses, type Processes } from '../../src/memory/processes.ts';
import { aMachine, type Machine, modelArgs } from '../support/machine.ts';

const MIB = 1024 * 1024;
const never = new AbortController().signal;
const ROUTER = { pid: 400, startTicks: 50 };

let machine: Machine;
let processes: Processes;

beforeEach(() => {
  machine = aMachine();
  processes = createProcesses(machine.procfs);
  machine.run({ pid: 1, comm: 'systemd', startTicks: 1 });
  machine.run({ ...ROUTER, args: ['llama-server', '--port', '8080'], sockets: [31, 32] });
  machine.listen({ 8080: 31 });
});

async function table() {
  const read = await processes.read(undefined, never);
  if (!read.ok) throw new Error(read.fault);
  return read.value;
}

const qwen = { pid: 401, parent: 400, startTicks: 60, args: modelArgs('qwen', 40_001) };
const asModel = { pid: 401, startTicks: 60, alias: 'qwen', port: 40_001, parent: ROUTER };

describe('the process table', () => {
  it('has models, their parents, and the ports of the parents', async () => {
    machine.run(qwen);
    machine.run({ pid: 900, comm: 'bash', args: ['bash'] });
    expect(await table()).toMatchObject({
      models: [asModel],
      parents: [{ ...ROUTER, listens: [8080] }],
      pids: new Set([1, 400, 401, 900]),
    });
  });

  it('has the Unix sockets of the parents, as far as they listen', async () => {
    machine.run(qwen);
    machine.unixSockets(
      `Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01    32 /run/my box/llama.sock
0000000000000000: 00000003 00000000 00000000 0001 03    31 /run/client.sock
0000000000000000: 00000002 00000000 00010000 0001 01 99999 @abstract
0000000000000000: 00000002 00000000 00010000 0001 01   777 /run/other.sock
`,
    );
    expect((await table()).parents).toEqual([{ ...ROUTER, listens: ['/run/my box/llama.sock', 8080] }]);
  });

  it('is empty without /proc', async () => {
    expect(await createProcesses('/nowhere/proc').read(undefined, never)).toEqual({
      ok: true,
      value: { models: [], parents: [], tree: createTree([]), pids: new Set(), inspected: [] },
    });
  });

  it('sees a model come and go', async () => {
    expect((await table()).models).toEqual([]);
    machine.run(qwen);
    expect((await table()).models).toEqual([asModel]);
    machine.end(401);
    expect((await table()).models).toEqual([]);
  });

  it('finds a model that shows its own command line only some time after the fork', async () => {
    machine.run({ ...qwen, args: ['llama-server', '--port', '8080'] });
    expect((await table()).models).toEqual([]);
    machine.run(qwen);
    expect((await table()).models).toEqual([asModel]);
  });

  it('finds an alias after a thousand arguments', async () => {
    const many = Array.from({ length: 1000 }, (_, index) => `--option-${index}`);
    machine.run({ ...qwen, args: [...many, ...qwen.args] });
    expect((await table()).models).toEqual([asModel]);
  });

  it('notices a reused pid', async () => {
    machine.run(qwen);
    await table();
    machine.run({ ...qwen, startTicks: 99, args: modelArgs('gemma', 40_002) });
    expect((await table()).models).toEqual([{ ...asModel, startTicks: 99, alias: 'gemma', port: 40_002 }]);
    machine.run({ pid: 401, parent: 1, startTicks: 120, comm: 'cron', args: ['cron'] });
    expect((await table()).models).toEqual([]);
  });

  it('ignores zombies', async () => {
    machine.run({ ...qwen, state: 'Z' });
    expect((await table()).models).toEqual([]);
  });

  it('has a router without models, by its command', async () => {
    expect((await table()).parents).toEqual([{ ...ROUTER, listens: [8080] }]);
  });

  it('inspects processes that are neither models nor routers now and then', async () => {
    expect((await table()).inspected).toEqual([1, 400]);
    expect((await table()).inspected).toEqual([1, 400]);
    expect((await table()).inspected).toEqual([400]);
  });

  it('finds a model with the reused pid of a known process within 60 tables', async () => {
    machine.run({ pid: 401, parent: 1, startTicks: 40, args: ['cron'] });
    for (let round = 0; round < 4; round += 1) await table();
    machine.run(qwen);
    let rounds = 0;
    while ((await table()).models.length === 0) rounds += 1;
    expect(rounds).toBeLessThan(60);
  });

  it('has the ports of processes below a llama-swap: by their arguments, otherwise by their sockets', async () => {
    machine.run({ pid: 500, startTicks: 55, args: ['/opt/llama-swap'] });
    machine.run({ pid: 501, startTicks: 60, parent: 500, args: ['sh', 'run.sh'] });
    machine.run({ pid: 502, startTicks: 61, parent: 501, args: ['python3', 'serve.py'], sockets: [40] });
    machine.run({ ...qwen, pid: 503, parent: 501 });
    machine.listen({ 5801: 40 });
    const { tree } = await table();
    expect([501, 502, 503, 400].map((pid) => tree.byPid.get(pid)?.listens)).toEqual([
      [],
      [5801],
      [40_001],
      undefined,
    ]);
    machine.run({ pid: 502, startTicks: 61, parent: 1, args: ['python3', 'serve.py'], sockets: [40] });
    for (let round = 0; round < 3; round += 1) await table();
    machine.run({ pid: 502, startTicks: 61, parent: 400, args: ['python3', 'serve.py'], sockets: [40] });
    expect((await table()).tree.byPid.get(502)?.parentPid).toBe(400);
  });

  it('does not attribute the socket of another process to the router', async () => {
    machine.run(qwen);
    machine.listen({ 8080: 777 });
    expect((await table()).parents).toEqual([{ ...ROUTER, listens: [] }]);
  });
});

describe('process usage', () => {
  it('is read only from the same process', async () => {
    machine.run({ ...qwen, residentBytes: 600 * MIB, cpuTicks: 250 });
    const gone = { ...asModel, pid: 402 };
    const other = { ...asModel, startTicks: 59 };
    expect(await processes.now.read([asModel, gone, other], never)).toEqual({
      ok: true,
      value: {
        usages: [{ pid: 401, startTicks: 60, residentBytes: 600 * MIB, cpuSeconds: 2.5 }],
        pids: new Set([1, 400, 401]),
      },
    });
  });
});
