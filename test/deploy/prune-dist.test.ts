import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from '@jest/globals';
import { scratchFolder } from '../support/scratch-folder.ts';

it('a build keeps nothing of sources that are gone', () => {
  const root = scratchFolder();
  const files = ['src/a.ts', 'src/page.js', 'dist/src/a.js', 'dist/src/page.js'];
  const stale = ['dist/src/gone.js', 'dist/src/folder/b.js', 'dist/main.js', 'dist/old/c.js'];
  for (const file of [...files, ...stale, 'tools/x']) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), '');
  }
  const script = join(root, 'tools/prune-dist.mjs');
  copyFileSync(join(import.meta.dirname, '../../tools/prune-dist.mjs'), script);
  expect(spawnSync(process.execPath, [script]).status).toBe(0);
  const left = readdirSync(join(root, 'dist'), { recursive: true }).map(String).sort();
  expect(left).toEqual(['src', 'src/a.js', 'src/page.js']);
});
