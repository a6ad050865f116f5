import { createLogger, type Logger, type LogLevel } from '../../src/lib/logger.ts';

/** A logger in logfmt whose lines go to `write`; their time is 0. */
export function aLog(write: (line: string) => void = () => {}, level: LogLevel = 'debug'): Logger {
  return createLogger({ level, format: 'logfmt', write, now: () => 0 });
}
