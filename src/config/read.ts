import { readFileSync, statSync } from 'node:fs';
import type { Parsed } from './values.ts';

const LARGEST_BYTES = 1024 * 1024;

/** The text of a small file, or why it cannot be had and what to do; the file itself is for the caller to name. */
export function readText(file: string): Parsed<string> {
  try {
    const stat = statSync(file);
    if (stat.isDirectory()) return { wrong: 'is a directory: name a file in it' };
    if (stat.size > LARGEST_BYTES) return { wrong: 'is larger than 1 MiB: name the right file' };
    return { value: readFileSync(file, 'utf8') };
  } catch (error) {
    return { wrong: readFault(error) };
  }
}

function readFault(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'does not exist: check the path';
    case 'EACCES':
    case 'EPERM':
      return 'may not be read (permission denied): let the user that the service runs as read it';
    default:
      return `cannot be read (${code ?? String(error)})`;
  }
}
