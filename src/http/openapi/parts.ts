import { LONGEST_WAIT } from '../waiting-room.ts';

export type Json = Readonly<Record<string, unknown>>;

// Content

export const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });
export const content = (type: string, schema: Json = { type: 'string' }) => ({
  content: { [type]: { schema } },
});
export const json = (schema: Json) => content('application/json', schema);
export const listOf = (name: string, of: string) =>
  json({ type: 'object', properties: { [name]: { type: 'array', items: ref(of) } }, required: [name] });
export const problemOf = (description: string, headers?: Json) => {
  return { description, ...content('application/problem+json', ref('Problem')), headers };
};

// Parameters and headers

export const query = (name: string, schema: Json, description: string): Json => {
  return { name, in: 'query', schema, description };
};
export const waitUntil = (end: string) =>
  query(
    'wait',
    { type: 'number', minimum: 0, maximum: LONGEST_WAIT },
    `Seconds after which to answer at the latest, if not earlier because ${end}. Default: 0.`,
  );
export const ID = { name: 'id', in: 'path', required: true, schema: { type: 'string', format: 'uuid' } };

const header = (type: Json, description: string) => ({ schema: type, description });
export const RETRY_AFTER = { 'Retry-After': header({ type: 'integer', minimum: 1 }, 'In seconds.') };
export const locationOf = (what: string) => ({
  Location: header({ type: 'string' }, `The URL of the ${what}.`),
});

// Errors

/** Errors of many routes, named in the components of the document. */
export const RESPONSES = {
  BadRequest: problemOf('The request is malformed, or one of its values is out of range: see the detail.'),
  Unauthorized: problemOf('Credentials are missing or wrong.', {
    'WWW-Authenticate': header({ type: 'string' }, 'The accepted schemes.'),
  }),
  Forbidden: problemOf('These credentials, this address or this web page may not do this.'),
  NoRouter: problemOf('No router has this name.'),
  TooLarge: problemOf('The body is larger than 1 MiB, or than 8 MiB for a notification.'),
  NoJson: problemOf('The Content-Type is not application/json in UTF-8.'),
  TooMany: problemOf('Too many requests, wrong credentials or event streams.', RETRY_AFTER),
  Busy: problemOf('Too many passwords are being checked.', RETRY_AFTER),
};

const response = (name: keyof typeof RESPONSES) => ({ $ref: `#/components/responses/${name}` });
export const NO_ROUTER = { '404': response('NoRouter') };
export const TOO_LARGE = { '413': response('TooLarge') };
/** Of every route; for reads only with users or a rate limit in the web configuration file. */
const REFUSALS = {
  '400': response('BadRequest'),
  '401': response('Unauthorized'),
  '429': response('TooMany'),
  '503': response('Busy'),
};
const WRITE_REFUSALS = { ...REFUSALS, '403': response('Forbidden') };
const BODY_REFUSALS = { ...WRITE_REFUSALS, ...TOO_LARGE, '415': response('NoJson') };

// Operations

/** `answer`: of 200, if that is a status of the route. */
export function read(tag: string, operationId: string, summary: string, answer?: Json, more: Json = {}) {
  const ok = answer && { '200': { description: 'OK', ...answer } };
  const responses = { ...ok, ...REFUSALS, ...(more.responses as Json) };
  return { get: { operationId, summary, tags: [tag], ...more, responses } };
}

export function write(tag: string, operationId: string, summary: string, responses: Json, more: Json = {}) {
  const refusals = more.requestBody ? BODY_REFUSALS : WRITE_REFUSALS;
  return { operationId, summary, tags: [tag], ...more, responses: { ...refusals, ...responses } };
}

export const body = (name: string, required = true) => ({
  requestBody: { required, ...json(ref(name)) },
});

/** What to do next with what an answer has by its `id`. */
export function nextById(...operationIds: string[]) {
  const parameters = { id: '$response.body#/id' };
  return { links: Object.fromEntries(operationIds.map((id) => [id, { operationId: id, parameters }])) };
}
