/** What a command's exit code means to a script. */
export const EXIT = {
  done: 0,
  /** A model was not unloaded; doctor found something wrong. */
  notDone: 1,
  /** The command line or the configuration is wrong. */
  usage: 2,
  /** A router could not be reached, or is none. */
  unreachable: 3,
} as const;

/** The command line is wrong; the message says how. */
export class UsageError extends Error {}
