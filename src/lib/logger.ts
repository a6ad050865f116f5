/** Log levels, least severe first. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

type Fields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Writes one line per event, with fields, in the format of Prometheus' own programs. */
export type Logger = Record<LogLevel, (message: string, fields?: Fields) => void>;

export interface LoggerOptions {
  level: LogLevel;
  format: 'logfmt' | 'json';
  /** Writes a line, which includes the newline; false if that failed. */
  write(line: string): unknown;
  now(): number;
}

export interface ProcessLog extends Logger {
  /** Whether the last line was written; undefined before the first. */
  succeeded(): boolean | undefined;
}

/** Lines that cannot be written, as on a full disk, are counted, and their number is logged as soon as one can be. */
export function createLogger({ level, format, write, now }: LoggerOptions): ProcessLog {
  const least = LOG_LEVELS.indexOf(level);
  let succeeded: boolean | undefined;
  let lost = 0;
  const at =
    (own: LogLevel) =>
    (message: string, fields: Fields = {}) => {
      if (LOG_LEVELS.indexOf(own) < least) return;
      const known = Object.entries(fields).flatMap(([name, value]) =>
        value === undefined ? [] : [[name, typeof value === 'number' ? rounded(value) : value] as const],
      );
      const all = [
        ['ts', new Date(now()).toISOString()],
        ['level', own],
        ['msg', message],
        ...known,
      ] as const;
      const line = format === 'json' ? JSON.stringify(Object.fromEntries(all)) : all.map(logfmt).join(' ');
      put(`${line.replace(UNSEEN, escapeUnseen)}\n`);
    };
  const log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  return { ...log, succeeded: () => succeeded };

  function put(line: string): void {
    succeeded = write(line) !== false;
    if (!succeeded) lost += 1;
    else if (lost > 0) {
      const count = lost;
      lost = 0;
      log.warn('log is written again', { lost: count });
    }
  }
}

/** To thousandths: seconds are measured far more precisely than a log needs. */
function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

/** Control characters and line separators that JSON.stringify does not escape. */
const UNSEEN = /[\u007f-\u009f\u2028\u2029]/g;

function escapeUnseen(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** Quoted where necessary, so that a value contains no line break or control character. */
function logfmt([name, value]: readonly [string, unknown]): string {
  const text = String(value);
  return `${name}=${/^[^\s"=\\\p{C}]+$/u.test(text) ? text : JSON.stringify(text)}`;
}
