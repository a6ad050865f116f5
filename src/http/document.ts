import { readFileSync } from 'node:fs';
import { openapi } from './openapi/openapi.ts';

/** docs/openapi.json: the interface of this version, for whoever generates a client. */
export function openapiDocument(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return `${JSON.stringify(openapi(version), null, 2)}\n`;
}
