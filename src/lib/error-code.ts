/** The word of the system for what went wrong, such as ENOENT; of what has none, what it says itself. */
export function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
