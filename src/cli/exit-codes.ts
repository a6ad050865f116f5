/** What a command's exit code means to a script. */
export const EXIT = {
  done: 0,
  /** A model was not unloaded, or doctor found a failure of the exporter itself. */
  notDone: 1,
  /** The command line or the configuration is invalid. */
  usage: 2,
  /** A router or the exporter cannot be reached, or is something else. */
  unreachable: 3,
  /** `run` has not run its command: memory was not freed. The next two are those of shells. */
  notRun: 125,
  notExecutable: 126,
  notFound: 127,
} as const;

/** The command line is invalid, or an exporter rejects the request. */
export class UsageError extends Error {}

/** The exporter cannot be reached, or the address belongs to another program. */
export class UnreachableError extends Error {}
