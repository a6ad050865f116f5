import type { Json } from './schemas.ts';

/** What the operations of the document are made of. */

export const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });

const content = (type: string, schema: Json) => ({ content: { [type]: { schema } } });

export const json = (schema: Json) => content('application/json', schema);

export const text = (type: string) => content(type, { type: 'string' });

export const listOf = (name: string, of: string) =>
  json({ type: 'object', properties: { [name]: { type: 'array', items: ref(of) } }, required: [name] });

export const problemOf = (description: string) => ({
  description,
  ...content('application/problem+json', ref('Problem')),
});

export const query = (name: string, schema: Json, description: string) => ({
  ...{ name, in: 'query', schema, description },
});

export const ROUTER_NAME = query('router', { type: 'string', minLength: 1 }, 'The name of a router.');

export const RETRY_AFTER = {
  'Retry-After': { schema: { type: 'integer', minimum: 1 }, description: 'In seconds.' },
};

/** What many routes answer. */
export const RESPONSES = {
  BadRequest: problemOf('The request cannot be understood: the detail says what is wrong with it.'),
  Unauthorized: {
    ...problemOf('No credentials, or wrong ones.'),
    headers: { 'WWW-Authenticate': { schema: { type: 'string' }, description: 'Which there are.' } },
  },
  Forbidden: problemOf('These credentials, this machine or this page may not do this.'),
  NoRouter: problemOf('There is no such router.'),
  TooLarge: problemOf('The body is larger than 1 MiB.'),
  NoJson: problemOf('The body does not call itself JSON.'),
  TooMany: {
    ...problemOf('Too many wrong credentials came from there, or too many requests.'),
    headers: RETRY_AFTER,
  },
  Busy: { ...problemOf('Too many passwords are being compared.'), headers: RETRY_AFTER },
};

const response = (name: keyof typeof RESPONSES) => ({ $ref: `#/components/responses/${name}` });

/** What everything may be answered by: reading only where the web configuration has users or a limit. */
export const REFUSALS = {
  '400': response('BadRequest'),
  '401': response('Unauthorized'),
  '429': response('TooMany'),
  '503': response('Busy'),
};

export const ACT_REFUSALS = { ...REFUSALS, '403': response('Forbidden') };

export const BODY_REFUSALS = { ...ACT_REFUSALS, '413': response('TooLarge'), '415': response('NoJson') };

export const NO_ROUTER = { '404': response('NoRouter') };

/** Nobody at all is named last: who is on this machine, where there are neither tokens nor users. */
export const SECURITY = [{ token: [] }, { user: [] }, {}];
