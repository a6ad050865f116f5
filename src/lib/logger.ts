/** Log levels, least severe first. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

type Fields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Writes one line per event, with fields, in the format of Prometheus' own programs. */
export type Logger = Record<LogLevel, (message: string, fields?: Fields) => void>;

export interface LoggerOptions {
  level: LogLevel;
  format: 'logfmt' | 'json';
  /** Writes a line, which includes the newline. */
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
      const line = format === 'json' ? JSON.stringify(Object.fromEntries(all)) : all.map(logfmt).join(' ');
      write(`${line.replace(UNSEEN, escapeUnseen)}\n`);
    };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
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
