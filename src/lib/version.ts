import { existsSync, readFileSync } from 'node:fs';

/** The version in package.json, wherever this file lies beneath it: in the sources or in the build. */
export function packageVersion(): string {
  let file = new URL('../package.json', import.meta.url);
  while (!existsSync(file)) file = new URL('../package.json', new URL('.', file));
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
