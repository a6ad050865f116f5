/**
 * Whether `text` matches `pattern`: `*` stands for any characters, including slashes, and `?` for one. Everything else
 * is literal. Takes at most time proportional to the product of the lengths.
 */
export function matchesGlob(pattern: string, text: string): boolean {
  return matches([...pattern], [...text]);
}

function matches(pattern: readonly string[], text: readonly string[]): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let resume = 0;
  while (t < text.length) {
    if (p < pattern.length && pattern[p] === '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[t])) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}
