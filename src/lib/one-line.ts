/** No control characters, line separators or characters that change the writing direction of what follows. */
export const ONE_LINE = /^[^\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]*$/u;

/**
 * Text that somebody else wrote, fit for a log, a table or an answer: on one line, without control characters and
 * without those that turn the direction of what follows, at most `longest` characters with `…` where it was cut.
 */
export function oneLine(text: string, longest: number): string {
  // Nothing beyond is shown: ten characters for each that is left leave room for blanks that fall together.
  const tidy = text
    .slice(0, longest * 10)
    .replace(/\p{Surrogate}/gu, '\ufffd')
    .replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '')
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim();
  const characters = [...tidy];
  return characters.length > longest ? `${characters.slice(0, longest - 1).join('')}…` : tidy;
}
