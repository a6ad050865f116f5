/** The code of a system error, such as ENOENT; otherwise the error as text. */
export function codeOf(error: unknown): string {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : String(error);
}

/** What to do when a file cannot be read or written, by the code of the error. */
export function fileRemedy(code: string): string {
  if (code === 'ENOSPC' || code === 'EDQUOT') return 'free space on its disk';
  if (code === 'EROFS') return 'its disk is read-only: mount a writable one there';
  return isDescriptorShortage(code) ? DESCRIPTOR_REMEDY : 'check its owner and mode';
}

/** The process, or the machine, has no free file descriptor. */
export function isDescriptorShortage(code: string): boolean {
  return code === 'EMFILE' || code === 'ENFILE';
}

export const DESCRIPTOR_REMEDY =
  'all file descriptors of the exporter are in use: raise its limit (ulimit -n, LimitNOFILE)';
