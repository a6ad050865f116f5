/** The word of the system for what went wrong, such as ENOENT; of what has none, what it says itself. */
export function codeOf(error: unknown): string {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : String(error);
}
