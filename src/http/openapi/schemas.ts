import { z } from 'zod';
import { operation } from '../../unload/report.ts';
import { problem } from '../problem.ts';
import { alertReport } from '../routes/alertmanager.ts';
import { holdBody } from '../routes/hold.ts';
import { unloadAllBody, unloadBody } from '../routes/unload-body.ts';
import { usageAnswer, usageBody } from '../routes/usage.ts';
import { holdView, modelView, routerView } from '../views.ts';

export type Json = Readonly<Record<string, unknown>>;

/** The named schemas of the document; the names are in their metadata. */
const SCHEMAS = {
  ...{ routerView, modelView, holdView, operation, alertReport },
  ...{ unloadBody, unloadAllBody, holdBody, usageBody, usageAnswer, problem },
};

/** All named schemas as JSON Schema; fields with a default are optional. */
export function componentSchemas(): Json {
  const registry = z.registry<{ id: string }>();
  for (const schema of Object.values(SCHEMAS)) collect(schema, registry);
  const { schemas } = z.toJSONSchema(registry, {
    uri: (id) => `#/components/schemas/${id}`,
    io: 'input',
    target: 'draft-2020-12',
    override: ({ jsonSchema }) => leaveOutNoise(jsonSchema),
  });
  return Object.fromEntries(
    Object.entries(schemas)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, { $schema: _, $id: __, ...schema }]) => [name, schema]),
  );
}

/** Drops patterns that repeat a format, and `readOnly`. */
function leaveOutNoise(schema: z.core.JSONSchema.BaseSchema): void {
  if (schema.format !== undefined) delete schema.pattern;
  delete schema.readOnly;
}

/** Adds a schema and its named parts to the registry. */
function collect(schema: z.core.$ZodType, registry: z.core.$ZodRegistry<{ id: string }>): void {
  const id = z.globalRegistry.get(schema)?.id;
  if (id !== undefined) registry.add(schema, { ...z.globalRegistry.get(schema), id });
  for (const inner of partsOf(schema)) collect(inner, registry);
}

function partsOf(schema: z.core.$ZodType): z.core.$ZodType[] {
  if (schema instanceof z.ZodObject) return Object.values(schema.shape);
  if (schema instanceof z.ZodArray) return [schema.element];
  if (schema instanceof z.ZodUnion) return [...schema.options];
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodExactOptional) return [schema.unwrap()];
  if (schema instanceof z.ZodNullable || schema instanceof z.ZodReadonly) return [schema.unwrap()];
  return [];
}
