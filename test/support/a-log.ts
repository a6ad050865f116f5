import { createLogger, type LogLevel, type ProcessLog } from '../../src/lib/logger.ts';

/** A logger in logfmt whose lines go to `write`; their time is 0. */
export function aLog(write: (line: string) => void = () => {}, level: LogLevel = 'debug'): ProcessLog {
  return createLogger({ level, format: 'logfmt', write, now: () => 0 });
}
