import { expect, it } from '@jest/globals';
import { formatBytes } from '../../src/lib/bytes.ts';

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
