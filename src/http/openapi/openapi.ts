import { RESPONSES, SECURITY } from './parts.ts';
import { pathsOf } from './paths.ts';
import { componentSchemas, type Json } from './schemas.ts';

/** `GET /api/v1/openapi.json`: the interface as OpenAPI 3.1, made from the schemas that check it. */
export function openapi(version: string, telemetryPaths: readonly string[] = ['/metrics']): Json {
  return {
    openapi: '3.1.0',
    info: {
      title: 'llama-router-exporter',
      version,
      license: { name: 'MIT', identifier: 'MIT' },
      description:
        'What is believed of llama.cpp routers and their models, and unloading with care. JSON is snake_case, ' +
        'times are ISO 8601, null is not known, errors are problems (RFC 9457).',
    },
    servers: [{ url: '/' }],
    security: SECURITY,
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
