#!/usr/bin/env node
// Plays nvidia-smi: `--play FOLDER/NAME` a recording of test/fixtures/memory/nvidia-smi, or `--living JSON` a card
// whose used memory follows the models that really live: each process with `--alias MODEL --port P` in its command
// line holds `perModelMiB[MODEL]` (or `perModelMiB['*']`), plus `baseMiB` held by other processes.
import { existsSync, readdirSync, readFileSync } from 'node:fs';

const [mode, what = '', ...args] = process.argv.slice(2);
const query = args.find((arg) => arg.startsWith('--query-')) ?? '';
const [, kind, columns = ''] = /^--query-(gpu|compute-apps)=(.*)$/.exec(query) ?? [];
if (!kind || !args.includes('--format=csv,noheader,nounits'))
  fail(`not a call that the fake knows: ${args.join(' ')}`);
const fields = columns.split(',');

if (mode === '--living') print(living(JSON.parse(what)));
else if (existsSync(`${what}.txt`)) say(readFileSync(`${what}.txt`, 'utf8'));
else print(recorded(`${what}.${kind === 'gpu' ? 'gpus' : 'apps'}.csv`));

/** @param {string} text */
function say(text) {
  const [exit = '', ...lines] = text.split('\n');
  if (lines[0] === 'hang') setInterval(() => {}, 1000);
  else if (lines[0] === 'flood') flood();
  else {
    process.exitCode = Number(exit.replace('exit ', ''));
    process.stdout.write(lines.join('\n'));
  }
}

function flood() {
  while (process.stdout.write('nonsense '.repeat(1000)));
  process.stdout.once('drain', flood);
}

/** @param {string} file */
function recorded(file) {
  const [head = '', ...lines] = readFileSync(file, 'utf8').trim().split('\n');
  const names = head.split(', ');
  return lines.map((line) => {
    const cells = line.split(', ');
    return Object.fromEntries(names.map((name, index) => [name, cells[index]]));
  });
}

/** @param {{ totalMiB?: number, baseMiB: number, perModelMiB: Record<string, number>, uuid?: string }} card */
function living({
  totalMiB = 24_576,
  baseMiB,
  perModelMiB,
  uuid = 'GPU-00000000-0000-0000-0000-00000000fa4e',
}) {
  const models = modelProcesses().flatMap(({ pid, alias }) => {
    const used = perModelMiB[alias] ?? perModelMiB['*'];
    return used === undefined ? [] : [{ gpu_uuid: uuid, pid, used_gpu_memory: used }];
  });
  if (kind === 'compute-apps') return models;
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
      ? [{ pid: Number(pid), alias }]
      : [];
  });
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
