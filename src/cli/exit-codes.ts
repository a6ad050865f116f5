/** What the exit codes mean to a script is in `tools/man-page.mjs`. */
export const EXIT = {
  done: 0,
  notDone: 1,
  usage: 2,
  unreachable: 3,
  notRun: 125,
  // As shells.
  notExecutable: 126,
  notFound: 127,
} as const;

/** The command line is invalid, or an exporter rejects the request. */
export class UsageError extends Error {}

/** The exporter cannot be reached, or the address belongs to another program. */
export class UnreachableError extends Error {}
