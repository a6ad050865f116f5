import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DEVICE_QUERY, PROCESS_QUERY } from '../../src/memory/nvidia-csv.ts';
import { scratchFolder } from './scratch-folder.ts';

const PLAYER = join(import.meta.dirname, 'fake-nvidia-smi.mjs');
const RECORDINGS = join(import.meta.dirname, '..', 'fixtures', 'memory', 'nvidia-smi');

/**
 * A card whose used memory follows the model processes of this machine, including those of other tests: use unique
 * model names. In MiB.
 */
export interface LivingCard {
  baseMiB: number;
  /** By the model's id; `*` for all others, which else hold nothing. */
  perModelMiB: Readonly<Record<string, number>>;
  /** Of the process that started the models. */
  routerMiB?: number;
  totalMiB?: number;
  uuid?: string;
  /** Numbers of processes: of this PID namespace (default), others, or no processes. */
  pids?: 'own' | 'machine' | 'none';
}

/**
 * An executable that plays this recording in any environment; its path. A part of it is a table with a header
 * (`NAME.gpus.csv`) or what was printed (`NAME.gpus.txt`, or `NAME.txt` for every question). With `-i` it plays `NAME.i`,
 * if that exists. A shell script: Node takes too long to start.
 */
export function playRecording(name: string): string {
  const base = join(RECORDINGS, name);
  const again = existsSync(`${base}.i.gpus.csv`) ? `${base}.i` : base;
  return executable(`play() { case "$1" in
  *--query-gpu=*) ${partOf(base, 'gpus')} ;;
  *--query-compute-apps=*) ${partOf(base, 'apps')} ;;
  *) ${partOf(base, 'pids')} ;;
esac; }
case "$*" in
  -i*--query-gpu=*) ${partOf(again, 'gpus')} ;;
  -i*--query-compute-apps=*) ${partOf(again, 'apps')} ;;
  *) play "$*" ;;
esac`);
}

/** The timeout of readings with this card: on a busy machine, a program of Node takes seconds to start. */
export const LIVING_CARD_TIMEOUT = '30s';

/** An executable that plays this card; its path. */
export function playLivingCard(card: LivingCard): string {
  // No process draws on it. exec, so that killing it kills the player.
  return executable(
    `[ "$1" = -q ] && exit 0\nexec ${[process.execPath, PLAYER, JSON.stringify(card)].map(quoted).join(' ')} "$@"`,
  );
}

function executable(script: string): string {
  const file = join(scratchFolder(), 'nvidia-smi');
  writeFileSync(file, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return file;
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** A shell command that prints one part of a recording. */
function partOf(base: string, part: 'gpus' | 'apps' | 'pids'): string {
  const text = [`${base}.txt`, `${base}.${part}.txt`].find((file) => existsSync(file));
  if (text) return said(readFileSync(text, 'utf8'));
  if (part === 'pids') return 'exit 0';
  const query = part === 'gpus' ? DEVICE_QUERY : PROCESS_QUERY;
  return said(`exit 0\n${selected(`${base}.${part}.csv`, query.replace(/.*=/, '').split(','))}`);
}

function said(text: string): string {
  const [exit = '', ...lines] = text.split('\n');
  if (lines[0] === 'hang') return 'exec sleep 1000';
  if (lines[0] === 'flood') return 'exec yes nonsense';
  const errors = lines
    .filter((line) => line.startsWith('stderr: '))
    .map((line) => line.slice('stderr: '.length));
  const output = lines.filter((line) => !line.startsWith('stderr: '));
  return `printf %s ${quoted(errors.join('\n'))} >&2; printf %s ${quoted(output.join('\n'))}; ${exit}`;
}

/** The rows of a table with these columns. */
function selected(file: string, fields: readonly string[]): string {
  const [head = '', ...lines] = readFileSync(file, 'utf8').trim().split('\n');
  const names = head.split(', ');
  const cell = (line: string, field: string) => line.split(', ')[names.indexOf(field)] ?? '[Unknown Error]';
  return lines.map((line) => `${fields.map((field) => cell(line, field)).join(', ')}\n`).join('');
}
