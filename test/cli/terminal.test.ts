import { expect, it } from '@jest/globals';
import { createFileWriter } from '../../src/cli/terminal.ts';

/** A file on a disk with space for this many bytes. */
function aDisk(space: number) {
  const disk = { space, text: '' };
  const write = createFileWriter((bytes, at) => {
    const part = Buffer.from(bytes).subarray(at, at + Math.min(disk.space, 4));
    if (part.length === 0) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    disk.space -= part.length;
    disk.text += part.toString();
    return part.length;
  });
  return { disk, write };
}

it('text is written whole, however little the file takes at once', () => {
  const { disk, write } = aDisk(100);
  expect([write('a long line\n'), disk.text]).toEqual([true, 'a long line\n']);
});

it('a full disk throws nothing, and the next text begins on a new line', () => {
  const { disk, write } = aDisk(9);
  expect(['line\n', 'cut here\n', 'lost\n'].map(write)).toEqual([true, false, false]);
  disk.space = 100;
  expect(write('later\n')).toBe(true);
  expect(write('last\n')).toBe(true);
  expect(disk.text).toBe('line\ncut \nlater\nlast\n');
});

it('a disk that was full between two lines leaves no empty one', () => {
  const { disk, write } = aDisk(5);
  expect(['line\n', 'lost\n'].map(write)).toEqual([true, false]);
  disk.space = 100;
  write('later\n');
  expect(disk.text).toBe('line\nlater\n');
});
