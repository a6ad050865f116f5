import * as z from 'zod';
import { VERSION } from '../../lib/version.ts';
import { operation } from '../../unload/report.ts';
import { problem } from '../problem.ts';
import { alertReport } from '../routes/alertmanager.ts';
import { holdBody, renewalBody } from '../routes/holds.ts';
import { loadBody } from '../routes/load.ts';
import { unloadAllBody, unloadBody } from '../routes/unload.ts';
import { usageAnswer, usageBody } from '../routes/usage.ts';
import { holdView, memoryView, modelView, routerView } from '../view-schemas.ts';
import { type Json, RESPONSES } from './parts.ts';
import { pathsOf } from './paths.ts';

/** The HTTP interface as OpenAPI 3.1. */
export function openapi(version: string, telemetryPaths: readonly string[] = ['/metrics']): Json {
  return {
    openapi: '3.1.0',
    info: {
      title: 'llama-router-exporter',
      version,
      license: { name: 'MIT', identifier: 'MIT' },
      description:
        'State of llama.cpp routers, llama-swaps and their models, and verified unloads and loads. JSON is snake_case, times are ISO 8601, ' +
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
  return `${JSON.stringify(openapi(VERSION), null, 2)}\n`;
}

/** The schemas of the document, which have their names in their metadata, as do some of their parts. */
const SCHEMAS = z.object({
  routerView,
  modelView,
  memoryView,
  holdView,
  operation,
  alertReport,
  unloadBody,
  unloadAllBody,
  loadBody,
  holdBody,
  renewalBody,
  usageBody,
  usageAnswer,
  problem,
});

/** All named schemas as JSON Schema; fields with a default are optional. */
function componentSchemas(): Json {
  const { $defs = {} } = z.toJSONSchema(SCHEMAS, {
    io: 'input',
    target: 'draft-2020-12',
    override: ({ jsonSchema }) => leaveOutNoise(jsonSchema),
  });
  const sorted = Object.fromEntries(Object.entries($defs).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return JSON.parse(JSON.stringify(sorted).replaceAll('"#/$defs/', '"#/components/schemas/'));
}

/** Drops patterns that repeat a format, and `readOnly`. */
function leaveOutNoise(schema: z.core.JSONSchema.BaseSchema): void {
  if (schema.format !== undefined) delete schema.pattern;
  delete schema.readOnly;
}
