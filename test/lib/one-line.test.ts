import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { oneLine } from '../../src/lib/one-line.ts';
import { anyText } from '../support/any-text.ts';

it.each([
  ['as it is', 'as it is'],
  ['  two\r\nlines\tand\u2028three  ', 'two lines and three'],
  ['\u001b[31mred\u001b[0m\u0000', '[31mred [0m'],
  ['abc\u202egpj.exe', 'abcgpj.exe'],
  ['half \ud83e', 'half \ufffd'],
  ['twenty characters 🦙🦙', 'twenty characters 🦙🦙'],
  ['twenty-one characters', 'twenty-one characte…'],
  ['🦙'.repeat(30), `${'🦙'.repeat(19)}…`],
  ['', ''],
])('%j is %j', (text, line) => expect(oneLine(text, 20)).toBe(line));

it('never exceeds the length or contains control characters', () => {
  fc.assert(
    fc.property(anyText({ maxLength: 400 }), fc.integer({ min: 1, max: 50 }), (text, longest) => {
      const line = oneLine(text, longest);
      expect([...line].length).toBeLessThanOrEqual(longest);
      expect(line).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Surrogate}]/u);
    }),
  );
});
