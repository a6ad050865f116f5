import { packageVersion } from '../lib/version.ts';
import { openapi } from './openapi/openapi.ts';

/** docs/openapi.json: the interface of this version, for client generators. */
export function openapiDocument(): string {
  return `${JSON.stringify(openapi(packageVersion()), null, 2)}\n`;
}
