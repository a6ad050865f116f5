/**
 * Whether `text` matches `pattern`, in which `*` stands for any characters (a slash too: model ids hold them)
 * and `?` for one. Everything else is literal. Takes time proportional to the two lengths multiplied, at worst.
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
