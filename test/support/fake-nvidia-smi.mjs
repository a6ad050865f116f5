#!/usr/bin/env node
// Plays nvidia-smi: a card, described as JSON, whose used memory follows the models that really live: each process with
// `--alias MODEL --port P` in its command line holds `perModelMiB[MODEL]` (or `perModelMiB['*']`), `routerMiB` their
// parent, plus `baseMiB` held by other processes. `pids` says how processes are listed: as they are in this PID
// namespace, with other numbers as an old driver does outside the machine's, or not at all as a new one.
import { readdirSync, readFileSync } from 'node:fs';

const [card = '', ...args] = process.argv.slice(2);
const query = args.find((arg) => arg.startsWith('--query-')) ?? '';
const [, kind, columns = ''] = /^--query-(gpu|compute-apps)=(.*)$/.exec(query) ?? [];
if (!kind || !args.includes('--format=csv,noheader,nounits'))
  fail(`not a call that the fake knows: ${args.join(' ')}`);
const fields = columns.split(',');
print(living(JSON.parse(card)));

/** @param {import('./fake-nvidia-smi.ts').LivingCard} card */
function living({
  totalMiB = 24_576,
  baseMiB,
  perModelMiB,
  routerMiB,
  uuid = 'GPU-00000000-0000-0000-0000-00000000fa4e',
  pids = 'own',
}) {
  const held = modelProcesses().filter(({ alias }) => (perModelMiB[alias] ?? perModelMiB['*']) !== undefined);
  const routers = routerMiB === undefined ? [] : [...new Set(held.map(({ parent }) => parent))];
  const numbered = (/** @type {number} */ pid) => (pids === 'machine' ? pid + 1_000_000 : pid);
  const models = [
    ...routers.map((pid) => ({ gpu_uuid: uuid, pid: numbered(pid), used_gpu_memory: routerMiB ?? 0 })),
    ...held.map(({ pid, alias }) => {
      const used = perModelMiB[alias] ?? perModelMiB['*'] ?? 0;
      return { gpu_uuid: uuid, pid: numbered(pid), used_gpu_memory: used };
    }),
  ];
  if (kind === 'compute-apps') return pids === 'none' ? [] : models;
  const used = models.reduce((sum, model) => sum + model.used_gpu_memory, baseMiB);
  return [
    {
      ...{ index: 0, uuid, name: 'Imaginary RTX 4090', 'mig.mode.current': '[N/A]' },
      ...{
        'memory.total': totalMiB,
        'memory.used': used,
        'memory.free': totalMiB - used,
        'utilization.gpu': 0,
      },
    },
  ];
}

function modelProcesses() {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.flatMap((pid) => {
    const words = wordsOf(pid);
    const alias = words[words.lastIndexOf('--alias') + 1];
    return words.includes('--alias') && words.includes('--port') && alias
      ? [{ pid: Number(pid), alias, parent: parentOf(pid) }]
      : [];
  });
}

/** @param {string} pid */
function parentOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')')).split(' ')[2]);
  } catch {
    return 0; // It has ended since it was listed.
  }
}

/** @param {string} pid */
function wordsOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return []; // It has ended since it was listed.
  }
}

/** @param {Record<string, unknown>[]} rows */
function print(rows) {
  for (const row of rows)
    process.stdout.write(`${fields.map((field) => row[field] ?? '[Unknown Error]').join(', ')}\n`);
}

/** @param {string} message */
function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}
