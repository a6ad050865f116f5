/** Log levels, least severe first. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFormat = 'logfmt' | 'json';

type Fields = Readonly<Record<string, string | number | boolean | undefined>>;

/** One line per event, with fields, as Prometheus' own programs write it. */
export type Logger = Record<LogLevel, (message: string, fields?: Fields) => void>;

export interface LoggerOptions {
  level: LogLevel;
  format: LogFormat;
  /** Takes a whole line, newline included. */
  write(line: string): void;
  now(): number;
}

export function createLogger({ level, format, write, now }: LoggerOptions): Logger {
  const least = LOG_LEVELS.indexOf(level);
  const at =
    (own: LogLevel) =>
    (message: string, fields: Fields = {}) => {
      if (LOG_LEVELS.indexOf(own) < least) return;
      const known = Object.entries(fields).filter(([, value]) => value !== undefined);
      const all = [
        ['ts', new Date(now()).toISOString()],
        ['level', own],
        ['msg', message],
        ...known,
      ] as const;
      write(`${format === 'json' ? JSON.stringify(Object.fromEntries(all)) : all.map(logfmt).join(' ')}\n`);
    };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** Quoted when it would not read back as one value; a line break never reaches the log. */
function logfmt([name, value]: readonly [string, unknown]): string {
  const text = String(value);
  return `${name}=${/^[^\s"=\\]+$/.test(text) ? text : JSON.stringify(text)}`;
}
