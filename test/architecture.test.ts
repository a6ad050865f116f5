import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { expect, it } from '@jest/globals';

/**
 * The one import rule: a file imports from its own folder and from folders below it in this list. Types are no
 * exception. `simulator` is a folder next to `src`.
 */
const FOLDERS = [
  'main.ts',
  'cli',
  'simulator',
  'service.ts',
  'http',
  'doctor',
  'activity',
  'collectors',
  'alerts',
  'idle',
  'hold',
  'load',
  'unload',
  'fleet',
  'engine',
  'memory',
  'backends',
  'metrics',
  'models',
  'state',
  'config',
  'lib',
];

/** The only folders that import each library or Node module. */
const OWNERS: Record<string, string | string[]> = {
  undici: 'backends',
  'eventsource-parser': 'backends',
  express: 'http',
  bcryptjs: 'http',
  'prom-client': 'metrics',
  yaml: 'config',
  // memory reads from programs, cli runs the command of the user.
  'node:child_process': ['memory', 'cli'],
  'node:dns/promises': 'fleet',
};

const ROOT = join(import.meta.dirname, '..');

it('imports point down the list of folders, and each library has one owner', () => {
  const offences: string[] = [];
  for (const file of sources()) {
    const folder = folderOf(file);
    for (const specifier of importsOf(file)) {
      const owner = OWNERS[specifier];
      if (specifier.startsWith('.')) {
        const target = folderOf(normalize(join(dirname(file), specifier)));
        if (target !== folder && placeOf(target) <= placeOf(folder)) {
          offences.push(`${file} imports ${specifier}: ${folder} is below ${target}`);
        }
      } else if (owner !== undefined && ![owner].flat().includes(folder)) {
        offences.push(`${file} imports ${specifier}, which belongs to ${owner}`);
      }
    }
  }
  expect(offences).toEqual([]);
});

it('only config reads the environment, and only cli writes to the terminal', () => {
  const offences = sources().filter((file) => {
    const text = readFileSync(join(ROOT, file), 'utf8');
    const folder = folderOf(file);
    return (
      (/process\.env\b/.test(text) && folder !== 'config') ||
      (/process\.(stdout|exitCode)\b/.test(text) && !['cli', 'main.ts'].includes(folder))
    );
  });
  expect(offences).toEqual([]);
});

it('only the doctor, which ends, combines signals: before Node 24 a long-lived signal keeps a reference for each call', () => {
  const users = sources().filter((file) => /AbortSignal\.any\(/.test(readFileSync(join(ROOT, file), 'utf8')));
  expect(users).toEqual(['src/backends/probe.ts']);
});

it('--help and --version load definitions of commands, no library', () => {
  const libraries = new Set<string>();
  const loaded = new Set<string>();
  const follow = (file: string) => {
    if (loaded.has(file)) return;
    loaded.add(file);
    for (const specifier of runtimeImportsOf(file)) {
      if (specifier.startsWith('.')) follow(normalize(join(dirname(file), specifier)));
      else if (!specifier.startsWith('node:')) libraries.add(specifier);
    }
  };
  follow('src/main.ts');
  expect([...libraries]).toEqual([]);
  expect(loaded).toContain('src/cli/commands.ts');
  expect([...loaded].filter((file) => file.startsWith('src/config/'))).toEqual(['src/config/when-busy.ts']);
});

it('no type name has two meanings', () => {
  const files = new Map<string, string[]>();
  for (const file of sources()) {
    const text = readFileSync(join(ROOT, file), 'utf8');
    for (const [, name = ''] of text.matchAll(/^(?:export )?(?:interface|type|class) (\w+)\b/gm)) {
      files.set(name, [...(files.get(name) ?? []), file]);
    }
  }
  expect([...files].filter(([, places]) => places.length > 1)).toEqual([]);
});

it('tools and benches import modules that the build has', () => {
  const missing = filesIn(['tools', 'bench'], '.mjs').flatMap((file) =>
    importsOf(file)
      .map((specifier) => normalize(join(dirname(file), specifier)))
      .filter((target) => target.startsWith('.build/'))
      .map((target) => target.replace(/^\.build\/(.*)\.js$/, '$1.ts'))
      .filter((source) => !existsSync(join(ROOT, source)))
      .map((source) => `${file}: ${source}`),
  );
  expect(missing).toEqual([]);
});

function sources(): string[] {
  return filesIn(['src', 'simulator'], '.ts');
}

function filesIn(folders: readonly string[], extension: string): string[] {
  return folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith(extension))
      .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
      .filter((file) => !file.includes('node_modules')),
  );
}

/** `src/http/page/html.ts` is in `http`, `simulator/roster.ts` in `simulator`. */
function folderOf(file: string): string {
  const [first = '', second = ''] = file.split('/');
  return first === 'src' ? second : first;
}

function placeOf(folder: string): number {
  const place = FOLDERS.indexOf(folder);
  if (place < 0) throw new Error(`${folder} is not in the list of test/architecture.test.ts: add it`);
  return place;
}

/** Without those of types, which the compiler removes, and those that run on demand. */
function runtimeImportsOf(file: string): string[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  return importsIn(text.replace(/^(import|export) type /gm, '// '));
}

function importsOf(file: string): string[] {
  return importsIn(readFileSync(join(ROOT, file), 'utf8'));
}

function importsIn(text: string): string[] {
  return [...text.matchAll(/^(?:import|export)\s+(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm)].map((m) => m[1] ?? '');
}
