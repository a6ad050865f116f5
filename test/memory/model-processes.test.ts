import { describe, expect, it } from '@jest/globals';
import { groupBy } from '../../src/lib/group-by.ts';
import { modelProcesses } from '../../src/memory/model-processes.ts';
import { findOrphans, type OrphanEvidence } from '../../src/memory/orphans.ts';
import { findParents, type ModelProcessHint, type RouterProcessHint } from '../../src/memory/parents.ts';
import { createTree } from '../../src/memory/process-tree.ts';
import type { TableProcess } from '../../src/memory/reading.ts';

const SWAP = { pid: 10, startTicks: 100 };

/** A process in a session of the machine's; `args` are its command line. */
function row(pid: number, parentPid: number, args: string, more: Partial<TableProcess> = {}): TableProcess {
  const cmdline = args
    .split(' ')
    .map((each) => `${each}\0`)
    .join('');
  return { pid, startTicks: pid * 10, parentPid, group: pid, session: 10, cmdline, listens: [], ...more };
}

const swap = row(10, 1, 'llama-swap');
const init = row(1, 0, 'init', { startTicks: 0, session: 1 });
const chat: ModelProcessHint = {
  ...{ id: 'chat', aliases: [], isRunning: true, port: 5801 },
  command: 'llama-server --port 5801 -m chat.gguf',
};
const code: ModelProcessHint = {
  ...{ id: 'code', aliases: [], isRunning: true, port: 5802 },
  command: 'sh -c "run code"',
};

function router(models: readonly ModelProcessHint[] = [chat, code]): RouterProcessHint {
  return { name: 'box', url: 'http://localhost:8080', local: 'auto', isListed: true, models };
}

/** The pids of each model's processes below llama-swap. */
function recognised(rows: readonly TableProcess[], models?: readonly ModelProcessHint[]) {
  const processes = modelProcesses(router(models), SWAP, [], createTree([swap, ...rows]));
  const found: Record<string, number[]> = {};
  for (const [alias, own] of groupBy(processes, (each) => each.alias))
    found[alias] = own.map(({ pid }) => pid);
  return found;
}

const runsChat = (pid: number, more: Partial<TableProcess> = {}) =>
  row(pid, 10, 'llama-server --port 5801 -m chat.gguf', more);

describe('processes of models by command and port', () => {
  const shell = row(20, 10, 'sh -c run');

  it.each<[string, Record<string, number[]>, Record<string, number[]>]>([
    ['the child that runs the command', recognised([runsChat(20)]), { chat: [20] }],
    [
      'with all its descendants',
      recognised([runsChat(20), row(21, 20, 'worker'), row(22, 21, 'worker')]),
      { chat: [20, 21, 22] },
    ],
    [
      'with processes of its group whose parents have ended',
      recognised([runsChat(20), row(22, 1, 'worker', { group: 20 }), row(23, 1, 'other')]),
      { chat: [20, 22] },
    ],
    [
      'the child below which something listens on the port',
      recognised([shell, row(21, 20, 'python', { listens: [5802] })]),
      { code: [20, 21] },
    ],
    ['by the command rather than the port', recognised([runsChat(20, { listens: [5802] })]), { chat: [20] }],
    [
      'none on the port of a model that does not run',
      recognised([row(20, 10, 'x', { listens: [5801] })], [{ ...chat, isRunning: false }]),
      { '': [20] },
    ],
    [
      'none of a command that two models share',
      recognised([runsChat(20)], [chat, { ...chat, id: 'twin' }]),
      { '': [20] },
    ],
    [
      'one of two models with the same command by its port',
      recognised([runsChat(20, { listens: [5803] })], [chat, { ...chat, id: 'twin', port: 5803 }]),
      { twin: [20] },
    ],
    ['none by likeness', recognised([row(20, 10, 'llama-server -m chat.gguf --port 5801')]), { '': [20] }],
    ['none of another parent', recognised([{ ...runsChat(20), parentPid: 1 }]), {}],
    ['none that is older than its parent', recognised([runsChat(9, { startTicks: 9 })]), {}],
    [
      'none by alias, which may be the name of another model',
      recognised([row(20, 10, 'llama-server --alias code --port 5801 -m chat.gguf')]),
      { '': [20] },
    ],
  ])('%s', (_, found, expected) => expect(found).toEqual(expected));

  it('of a container engine are marked: the processes of the container are not below it', () => {
    const command = 'sh -c docker';
    const tree = createTree([swap, row(20, 10, command), row(21, 20, '/usr/bin/docker run --rm vllm')]);
    expect(modelProcesses(router([{ ...chat, command }]), SWAP, [], tree)).toMatchObject([
      { pid: 20, alias: 'chat', isContainer: true },
      { pid: 21, alias: 'chat', isContainer: true },
    ]);
  });
});

describe('the process of a router that tells the commands of its models', () => {
  const both = [runsChat(20), row(21, 10, 'sh -c run', { cmdline: 'sh\0-c\0run code\0' })];
  const find = (rows: readonly TableProcess[]) =>
    findParents([router()], [], [], () => false, new Map(), createTree(rows)).get('http://localhost:8080');

  it('is the parent of all its running models', () => {
    expect(find([swap, ...both])).toEqual(SWAP);
  });

  it('is not the parent of only some, of others, or of the same models twice', () => {
    expect(find([swap, runsChat(20)])).toBeUndefined();
    expect(find([swap, ...both, row(22, 10, 'other')])).toBeUndefined();
    const again = [
      row(30, 1, 'llama-swap'),
      ...both.map((each) => ({ ...each, pid: each.pid + 20, parentPid: 30, startTicks: 900 })),
    ];
    expect(find([swap, ...both, ...again])).toBeUndefined();
  });
});

describe('orphans', () => {
  const process = { pid: 20, startTicks: 200 };
  const former = [{ ...process, router: 'box', model: 'chat', parent: SWAP }];
  const left = { router: 'box', model: 'chat', processes: [process], isSure: false };
  /** By default, llama-swap was killed and its child runs on. */
  function orphans(rows: readonly TableProcess[], more: Partial<OrphanEvidence> = {}) {
    const tree = createTree([init, ...rows]);
    const found = findOrphans({
      ...{ routers: [router()], parents: new Map(), tree, models: [], former, orphans: [left], ...more },
    });
    return found.map(({ model, processes, isSure }) => [model, processes.map(({ pid }) => pid), isSure]);
  }
  const alone = runsChat(20, { parentPid: 1 });
  const restarted = { ...row(30, 1, 'llama-swap', { session: 30 }) };
  const here = { parents: new Map([[router().url, restarted]]), former: [], orphans: [] };

  it.each<[string, unknown[], unknown[]]>([
    ['run on without their router, in two readings', orphans([alone]), [['chat', [20], true]]],
    ['are not sure in the first', orphans([alone], { orphans: [] }), [['chat', [20], false]]],
    [
      'are one with their descendants',
      orphans([row(21, 20, 'worker'), alone], {
        former: [
          ...former,
          { ...process, pid: 21, startTicks: 210, router: 'box', model: 'chat', parent: SWAP },
        ],
      }),
      [['chat', [20, 21], true]],
    ],
    ['have ended', orphans([]), []],
    ['are not a later process with the pid', orphans([{ ...alone, startTicks: 999 }]), []],
    ['are not those below their router', orphans([swap, runsChat(20)], { orphans: [] }), []],
    ['outlived a wrapper below a router that runs', orphans([swap, alone]), [['chat', [20], true]]],
    ['are not of a router that is not configured any more', orphans([alone], { routers: [] }), []],
    [
      'are not those that a router has',
      orphans([alone], { models: [{ ...process, alias: 'chat', port: 5801, parent: SWAP }] }),
      [],
    ],
    [
      'run the command of a model and have lost their starter',
      orphans([restarted, alone], here),
      [['chat', [20], true]],
    ],
    [
      'were adopted by another process than the first',
      orphans([restarted, row(2, 1, 'systemd --user', { session: 2 }), { ...alone, parentPid: 2 }], here),
      [['chat', [20], true]],
    ],
    ['are not the child of another llama-swap', orphans([restarted, swap, runsChat(20)], here), []],
    ['are not where the router is not', orphans([alone], { ...here, parents: new Map() }), []],
    [
      'are not told by a command without the port',
      orphans([restarted, alone], { ...here, routers: [router([{ ...chat, port: 1234 }])] }),
      [],
    ],
  ])('%s', (_, found, expected) => expect(found).toEqual(expected));
});
