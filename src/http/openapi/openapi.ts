import { packageVersion } from '../../lib/version.ts';
import { pathsOf, RESPONSES } from './paths.ts';
import { componentSchemas, type Json } from './schemas.ts';

/** The HTTP interface as OpenAPI 3.1. */
export function openapi(version: string, telemetryPaths: readonly string[] = ['/metrics']): Json {
  return {
    openapi: '3.1.0',
    info: {
      title: 'llama-router-exporter',
      version,
      license: { name: 'MIT', identifier: 'MIT' },
      description:
        'State of llama.cpp routers and their models, and verified unloads. JSON is snake_case, times are ISO 8601, ' +
        'null means unknown, errors are problem details (RFC 9457).',
    },
    servers: [{ url: '/' }],
    // The last one: no credentials, from this machine, when neither tokens nor users are configured.
    security: [{ token: [] }, { user: [] }, {}],
    paths: pathsOf(telemetryPaths),
    components: {
      schemas: componentSchemas(),
      responses: RESPONSES,
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'One of auth.tokens.' },
        user: { type: 'http', scheme: 'basic', description: 'A user of the web configuration file.' },
      },
    },
  };
}

/** docs/openapi.json. */
export function openapiDocument(): string {
  return `${JSON.stringify(openapi(packageVersion()), null, 2)}\n`;
}
