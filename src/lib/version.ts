import { existsSync, readFileSync } from 'node:fs';

/** The version in package.json, found from the sources and from the build. */
export function packageVersion(): string {
  let file = new URL('../package.json', import.meta.url);
  while (!existsSync(file)) file = new URL('../package.json', new URL('.', file));
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
