/** No control characters, line separators or characters that change the writing direction of what follows. */
export const ONE_LINE = /^[^\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]*$/u;

/**
 * Foreign text on one line of at most `longest` characters, for logs, tables and answers: without control characters
 * and characters that change the writing direction, with `…` where it was cut.
 */
export function oneLine(text: string, longest: number): string {
  // Enough for the result even when ten characters of white space become one.
  const tidy = text
    .slice(0, longest * 10)
    .replace(/\p{Surrogate}/gu, '\ufffd')
    .replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '')
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim();
  const characters = [...tidy];
  return characters.length > longest ? `${characters.slice(0, longest - 1).join('')}…` : tidy;
}
