/** The parts of JSON Schema that the OpenAPI document uses. */
export interface Schema {
  type?: string;
  enum?: unknown[];
  const?: unknown;
  format?: string;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  items?: Schema;
  anyOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean;
  oneOf?: Schema[];
  not?: Schema;
  examples?: unknown[];
}

/** Values by property for what a schema cannot express: existing names, future times. */
export type Known = Record<string, unknown>;

type Case = [name: string, value: Record<string, unknown>];

/** Valid objects of a schema: the required properties, and each other property in addition. */
export function rightObjects(schema: Schema, known: Known): Case[] {
  const bases = basesOf(schema, known);
  return bases.flatMap(({ name, value }): Case[] => [
    [`only ${name}`, value],
    ...Object.entries(schema.properties ?? {})
      .filter(([key]) => !(key in value) && !alternatives(schema).includes(key))
      .flatMap(([key, inner]) =>
        rightValues(key, inner, known).map(
          (each): Case => [`${key} ${shown(each)}`, { ...value, [key]: each }],
        ),
      ),
  ]);
}

/** Invalid objects of a schema: each breaks one of its rules. */
export function wrongObjects(schema: Schema, known: Known): Case[] {
  const [base = { name: '', value: {} }] = basesOf(schema, known);
  const rightOf = (key: string) => rightValues(key, schema.properties?.[key] ?? {}, known)[0];
  const others = alternatives(schema).filter((key) => !(key in base.value));
  return [
    ...(schema.required ?? []).map((key): Case => [`no ${key}`, without(base.value, key)]),
    ...(schema.additionalProperties === false
      ? [[`a key that is none`, { ...base.value, none: 1 }] satisfies Case]
      : []),
    ...(schema.oneOf ? [['none of the alternatives', {}] satisfies Case] : []),
    ...others.map((key): Case => [`${key} as well`, { ...base.value, [key]: rightOf(key) }]),
    ...(schema.not?.required
      ? [
          [
            schema.not.required.join(' and '),
            { ...base.value, ...Object.fromEntries(schema.not.required.map((key) => [key, rightOf(key)])) },
          ] satisfies Case,
        ]
      : []),
    ...Object.entries(schema.properties ?? {}).flatMap(([key, inner]) =>
      wrongValues(inner).map((each): Case => [`${key} ${shown(each)}`, { ...base.value, [key]: each }]),
    ),
  ];
}

function basesOf(schema: Schema, known: Known) {
  const choices = schema.oneOf?.map(({ required = [] }) => required) ?? [[]];
  return choices.map((choice) => {
    const keys = [...(schema.required ?? []), ...choice];
    const value = Object.fromEntries(
      keys.map((key) => [key, rightValues(key, schema.properties?.[key] ?? {}, known)[0]]),
    );
    return { name: keys.join(', ') || 'nothing', value };
  });
}

function alternatives({ oneOf = [] }: Schema): string[] {
  return oneOf.flatMap(({ required = [] }) => required);
}

function rightValues(key: string, schema: Schema, known: Known): unknown[] {
  if (key in known) return [known[key]];
  if (schema.type === 'object') return rightObjects(schema, known).map(([, value]) => value);
  if (schema.anyOf) return schema.anyOf.flatMap((each) => rightValues(key, each, known));
  if (schema.const !== undefined) return [schema.const];
  if (schema.enum) return schema.enum;
  switch (schema.type) {
    case 'boolean':
      return [true, false];
    case 'integer':
    case 'number': {
      const least = schema.minimum ?? (schema.exclusiveMinimum ?? -1) + 1;
      return [least, ...(schema.maximum === undefined ? [] : [schema.maximum])];
    }
    case 'string':
      return ['x'.repeat(schema.minLength ?? 0), 'x'.repeat(schema.maxLength ?? 1)];
    case 'array':
      return schema.items?.type === 'object'
        ? [[], ...rightValues(key, schema.items, known).map((item) => [item])]
        : [[]];
    default:
      throw new Error(`there is no value for ${key}: ${JSON.stringify(schema)}`);
  }
}

/** One value for each rule that it breaks, and one of each other type. */
function wrongValues(schema: Schema): unknown[] {
  const every = [null, true, -1.5, 'none of these', [], {}];
  if (schema.type === 'object') {
    return [
      ...every.filter((value) => typeOf(value) !== 'object'),
      ...wrongObjects(schema, {}).map(([, value]) => value),
    ];
  }
  if (schema.anyOf) {
    const [first = [], ...rest] = schema.anyOf.map((each) =>
      wrongValues(each).map((value) => JSON.stringify(value)),
    );
    return first
      .filter((text) => rest.every((texts) => texts.includes(text)))
      .map((text) => JSON.parse(text));
  }
  if (schema.const !== undefined || schema.enum) return every;
  const { minimum, maximum, exclusiveMinimum, minLength, maxLength, minItems, maxItems } = schema;
  return [
    ...every.filter((value) => typeOf(value) !== (schema.type === 'integer' ? 'number' : schema.type)),
    ...(schema.type === 'integer' ? [1.5] : []),
    ...(minimum === undefined ? [] : [minimum - 1]),
    ...(exclusiveMinimum === undefined ? [] : [exclusiveMinimum]),
    ...(maximum === undefined ? [] : [maximum * 2]),
    ...(minLength ? ['x'.repeat(minLength - 1)] : []),
    ...(maxLength === undefined ? [] : ['x'.repeat(maxLength + 1)]),
    ...(schema.pattern === undefined ? [] : ['a\u0007b', 'a\nb']),
    ...(schema.format === undefined ? [] : ['2023-11-14', 'tomorrow']),
    ...(minItems ? [Array(minItems - 1).fill('*')] : []),
    ...(maxItems === undefined ? [] : [Array(maxItems + 1).fill('*')]),
    ...(schema.items ? wrongValues(schema.items).map((value) => [value]) : []),
  ];
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

function without(value: Record<string, unknown>, key: string): Record<string, unknown> {
  const { [key]: _, ...rest } = value;
  return rest;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 30 ? `${text.slice(0, 20)}… of ${text.length}` : text;
}
