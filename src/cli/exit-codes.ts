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

/** What each exit code means to a script. */
export const EXIT_MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  done: 'Done.',
  notDone:
    'A model is still in memory or was not loaded, memory is not free, or doctor found a failure of the exporter itself.',
  usage: 'The command line or the configuration is invalid, or an exporter rejects the request.',
  unreachable: 'A router or the exporter cannot be reached, or is something else.',
  notRun:
    'run has not run its command: memory was not freed, no exporter answers, or the command line is invalid.',
  notExecutable: 'The command of run cannot be executed.',
  notFound: 'The command of run is not found.',
};

/** The command line is invalid, or an exporter rejects the request. */
export class UsageError extends Error {}

/** The exporter cannot be reached, or the address belongs to another program. */
export class UnreachableError extends Error {}
