import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { runToEnd, startFailure } from '../../src/cli/wrapped-program.ts';
import { scratchFolder } from '../support/scratch-folder.ts';

const folder = scratchFolder();
mkdirSync(join(folder, 'bin', 'folder'), { recursive: true });
for (const [name, text, mode] of [
  ['tool', '#!/bin/sh\nexit 4\n', 0o755],
  ['plain', 'text', 0o644],
  ['no-interpreter', '#!/no/such/interpreter\n', 0o755],
] as const) {
  writeFileSync(join(folder, 'bin', name), text);
  chmodSync(join(folder, 'bin', name), mode);
}
const bin = join(folder, 'bin');

it.each([
  ['tool', `/no/such/folder:${bin}`, undefined],
  [join(bin, 'tool'), '', undefined],
  ['sh', undefined, undefined],
  ['tool', '/no/such/folder', 127],
  ['no-such-tool', bin, 127],
  ['./tool', bin, 127],
  ['plain', bin, 126],
  ['folder', bin, 126],
  [join(bin, 'tool', 'x'), bin, 127],
])('%s with PATH %s: %s', (program, path, expected) => {
  expect(startFailure(program, path)).toBe(expected);
});

it.each([
  [[join(bin, 'tool')], 4],
  [['sh', '-c', 'kill -TERM $$'], 143],
  [['sh', '-c', 'exit "$1"', 'sh', '9'], 9],
  [[join(bin, 'no-interpreter')], 127],
  [[join(bin, 'plain')], 126],
])('%j ends with %i', async (words, expected) => {
  expect(await runToEnd(words, { passOn() {} })).toBe(expected);
});
