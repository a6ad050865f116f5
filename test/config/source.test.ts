import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { createConfigSource } from '../../src/config/source.ts';
import { scratchFolder } from '../support/scratch-folder.ts';

const scratch = scratchFolder();
const file = join(scratch, 'config.yml');
const write = (level: string) => writeFileSync(file, `log:\n  level: ${level}\n`);

it('reads the file again at a reload', () => {
  write('info');
  const source = createConfigSource({ file, env: {}, flags: {} });
  write('debug');
  expect(source.current.log.level).toBe('info');
  expect(source.reload()).toEqual({ ok: true, value: source.current });
  expect(source.current.log.level).toBe('debug');
});

it('keeps the previous configuration when the new one is invalid', () => {
  write('info');
  const source = createConfigSource({ file, env: {}, flags: {} });
  const before = source.current;
  write('loud');
  const reload = source.reload();
  expect(reload.ok ? '' : reload.fault.message).toBe(
    `${file}:2: log.level: 'loud' is not one of debug, info, warn, error`,
  );
  expect(source.current).toBe(before);
  rmSync(file);
  expect(source.reload().ok).toBe(false);
  expect(source.current).toBe(before);
});

it('does not start with an invalid configuration', () => {
  write('loud');
  expect(() => createConfigSource({ file, env: {}, flags: {} })).toThrow(file);
});
