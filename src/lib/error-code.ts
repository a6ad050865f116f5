/** The code of a system error, such as ENOENT; otherwise the error as text. */
export function codeOf(error: unknown): string {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : String(error);
}
