/** Longer words are not compared: the time grows with the product of the lengths. */
const LONGEST_WORD = 200;

/**
 * The candidate that a misspelt word most likely means: the one with the fewest edits, if these are at most a third
 * of the word; the first of equals; undefined when none is near or the word is longer than 200 characters.
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length > LONGEST_WORD) return undefined;
  let best: string | undefined;
  let limit = Math.ceil(word.length / 3);
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) > limit) continue;
    const distance = editDistance(word, candidate);
    if (distance > limit || (best !== undefined && distance === limit)) continue;
    best = candidate;
    limit = distance;
  }
  return best;
}

/** Levenshtein distance: the number of insertions, deletions and replacements. */
function editDistance(from: string, to: string): number {
  let distances = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row += 1) {
    let diagonal = row - 1;
    let left = row;
    distances = distances.map((above, column) => {
      if (column > 0) {
        const replaced = from[row - 1] === to[column - 1] ? diagonal : diagonal + 1;
        left = Math.min(replaced, above + 1, left + 1);
      }
      diagonal = above;
      return left;
    });
  }
  return distances.at(-1) ?? 0;
}
