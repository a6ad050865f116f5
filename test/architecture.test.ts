import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { expect, it } from '@jest/globals';

/**
 * Who may import whom, lowest first. A folder imports only folders of lower rows; a type may come from
 * any folder. `service.ts` is the composition root: it, the commands and `main.ts` stand above all rows.
 */
const ROWS: string[][] = [
  ['lib'],
  ['models'],
  ['metrics'],
  ['router', 'memory', 'config', 'state', 'simulator'],
  ['engine', 'discovery'],
  ['hold', 'usage'],
  ['collectors', 'unload', 'alerts', 'policy', 'audit', 'doctor'],
  ['http'],
  ['saved-parts.ts', 'needs-restart.ts'],
  ['fleet.ts', 'news.ts', 'keep-state.ts', 'unloading.ts', 'watch-memory.ts'],
  ['bookkeeping.ts', 'hold-around.ts', 'in-force.ts'],
  ['access.ts'],
  ['service.ts'],
  ['cli'],
  ['main.ts'],
];

/** The one folder that may import each outside thing. */
const OWNERS: Record<string, string[]> = {
  undici: ['router'],
  express: ['http'],
  'prom-client': ['metrics'],
  'eventsource-parser': ['router'],
  yaml: ['config'],
  bcryptjs: ['http'],
  'node:child_process': ['memory'],
  'node:dns/promises': ['discovery'],
};

const SRC = join(import.meta.dirname, '..', 'src');

it('imports point downwards only, and each outside library has one owner', () => {
  const offences: string[] = [];
  for (const file of sources()) {
    const room = roomOf(file);
    for (const { specifier, typeOnly } of importsOf(file)) {
      if (specifier.startsWith('.')) {
        const target = roomOf(normalize(join(dirname(file), specifier)));
        if (target !== room && !typeOnly && rowOf(target) >= rowOf(room)) {
          offences.push(`${file} imports ${specifier}: ${room} may not import ${target}`);
        }
      } else if (OWNERS[specifier] && !OWNERS[specifier].includes(room) && !typeOnly) {
        offences.push(`${file} imports ${specifier}, which belongs to ${OWNERS[specifier].join(', ')}`);
      }
    }
  }
  expect(offences).toEqual([]);
});

it('only config/ reads the environment and only cli/ writes to the terminal', () => {
  const offences = sources().filter((file) => {
    const text = readFileSync(join(SRC, file), 'utf8');
    const room = roomOf(file);
    return (
      (/process\.env\b/.test(text) && room !== 'config') ||
      (/process\.(stdout|exitCode)\b/.test(text) && !['cli', 'main.ts'].includes(room))
    );
  });
  expect(offences).toEqual([]);
});

function sources(): string[] {
  return readdirSync(SRC, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(SRC, join(entry.parentPath, entry.name)));
}

function roomOf(file: string): string {
  return file.split('/')[0] ?? file;
}

function rowOf(room: string): number {
  const row = ROWS.findIndex((rooms) => rooms.includes(room));
  if (row < 0) throw new Error(`src/${room} has no row in test/architecture.test.ts: give it one`);
  return row;
}

function importsOf(file: string): { specifier: string; typeOnly: boolean }[] {
  const text = readFileSync(join(SRC, file), 'utf8');
  const pattern = /^(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm;
  return [...text.matchAll(pattern)].map((m) => ({ specifier: m[2] ?? '', typeOnly: m[1] !== undefined }));
}
