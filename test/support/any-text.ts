import fc from 'fast-check';

const [FIRST_HALF, HALVES, LAST] = [0xd800, 0x800, 0x10ffff];

/** Any character. Unlike `unit: 'binary'` of fast-check it lists none of them, which takes a second in every suite. */
const anyCharacter = fc
  .integer({ min: 0, max: LAST - HALVES })
  .map((n) => String.fromCodePoint(n < FIRST_HALF ? n : n + HALVES), numberOf);

function numberOf(text: unknown): number {
  const [character = '', ...others] = String(text);
  if (others.length > 0) throw new Error('more than one character');
  const point = character.codePointAt(0) ?? Number.NaN;
  return point < FIRST_HALF ? point : point - HALVES;
}

/** Any text that has an encoding in UTF-8. */
export const anyText = (limits: { minLength?: number; maxLength?: number } = {}) =>
  fc.string({ unit: anyCharacter, ...limits });
