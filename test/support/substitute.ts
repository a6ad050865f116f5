/** A replacement of one text by another, and how often it must occur (default: once). */
export interface Substitution {
  readonly of: string;
  readonly by: string;
  readonly times?: number;
}

/**
 * A shipped file with replaced names and numbers. Throws if one does not occur exactly as often as expected: a test
 * without the replacement would use the intervals or servers of the file.
 */
export function substitute(text: string, substitutions: readonly Substitution[]): string {
  return substitutions.reduce((result, { of, by, times = 1 }) => {
    const parts = result.split(of);
    if (parts.length - 1 !== times) {
      throw new Error(
        `${JSON.stringify(of)} is there ${parts.length - 1} times, not ${times}, in:\n${result}`,
      );
    }
    return parts.join(by);
  }, text);
}
