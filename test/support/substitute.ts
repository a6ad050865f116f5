/** One text that is to stand for another, and how often that other is there: once, unless told. */
export interface Substitution {
  readonly of: string;
  readonly by: string;
  readonly times?: number;
}

/**
 * A shipped file with other names and numbers in it. Throws when one is not there exactly as often as told: a test
 * that replaced nothing would wait for the times of the file, or send requests to another server.
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
