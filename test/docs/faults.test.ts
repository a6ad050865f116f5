import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';

const ROOT = join(import.meta.dirname, '..', '..');
const SUITES = join(ROOT, 'test', 'e2e');

it('every fault in docs/reliability.md has an end-to-end test of that name', () => {
  const page = readFileSync(join(ROOT, 'docs', 'reliability.md'), 'utf8');
  const [, table = ''] = page.split('## Faults');
  const [section = ''] = table.split('\n## ');
  const faults = [...section.matchAll(/^\| ([^|]+) \|/gm)].map(([, name = '']) => name);
  expect(faults.length).toBeGreaterThan(15);
  const suites = readdirSync(SUITES).filter((name) => name.startsWith('faults-'));
  const tests = suites.map((name) => readFileSync(join(SUITES, name), 'utf8')).join('');
  const missing = faults.filter((name) => name !== 'Fault' && !tests.includes(`'${name}`));
  expect(missing).toEqual([]);
});
