import { expect, it } from '@jest/globals';
import { formatBytes, parseBytes } from '../../src/lib/bytes.ts';
import { cpuMs } from '../support/cpu-time.ts';

it.each([
  [0, '0 B'],
  [811, '811 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [311_091, '303.8 KiB'],
  [1_048_524, '1023.9 KiB'],
  [1_048_575, '1.0 MiB'],
  [5_046_586_573, '4.7 GiB'],
  [2 ** 40, '1.0 TiB'],
  [5000 * 2 ** 40, '5000.0 TiB'],
])('%d bytes are %j', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

it.each([
  ['0', 0],
  ['8589934592', 8_589_934_592],
  ['8.589934592e+09', 8_589_934_592],
  ['811B', 811],
  [' 8 GiB ', 8_589_934_592],
  ['8gib', 8_589_934_592],
  ['8GB', 8_000_000_000],
  ['1.5 kB', 1500],
  ['1.5KiB', 1536],
  ['0.1 KiB', 103],
  ['2TiB', 2 * 2 ** 40],
  ['2TB', 2e12],
])('%j is %d bytes', (text, bytes) => expect(parseBytes(text)).toBe(bytes));

it.each([
  '',
  'B',
  '8G',
  '8Gi',
  '-1',
  '+Inf',
  'NaN',
  '8 GiB free',
  '1e99',
  '9e15 TiB',
  '1,5GB',
  '.5GB',
  '8constructor',
])('%j is no amount of bytes', (text) => expect(parseBytes(text)).toBeUndefined());

it('parsing takes linear time: blanks', () => {
  const parse = () => expect(parseBytes(`1${' '.repeat(100_000)}!`)).toBeUndefined();
  expect(cpuMs(parse)).toBeLessThan(1000);
});
