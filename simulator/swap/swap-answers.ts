import { type Answer, json } from '../answer.ts';

const TYPES: Readonly<Record<number, [type: string, code: string]>> = {
  400: ['invalid_request_error', 'bad_request'],
  401: ['authentication_error', 'unauthorized'],
  404: ['invalid_request_error', 'not_found'],
};

/** An error as llama-swap writes it. */
export function swapError(status: number, message: string): Answer {
  const [type, code] = TYPES[status] ?? ['server_error', 'internal_error'];
  return plainJson({ src: 'llama-swap', error: { message, type, param: null, code } }, status);
}

/** llama-swap gives no character set, and ends its lists with a line break. */
function plainJson(body: unknown, status = 200, end = ''): Answer {
  return { status, type: 'application/json', body: JSON.stringify(body) + end };
}

export const listing = (body: unknown) => plainJson(body, 200, '\n');

export const text = (body: string, status = 200): Answer => ({
  status,
  type: 'text/plain; charset=utf-8',
  body,
});

export const pageNotFound = text('404 page not found\n', 404);

/** The model's process did not answer. */
export const badGateway: Answer = { status: 502, type: '', body: '' };

/** A model's process before its model is loaded. */
export const loadingModel = json(
  { error: { message: 'Loading model', type: 'unavailable_error', code: 503 } },
  503,
);

/** llama-swap's own metrics: of the host, never of a model. */
export const hostMetrics: Answer = {
  status: 200,
  type: 'text/plain; version=0.0.4; charset=utf-8',
  body: `# HELP llamaswap_load_average Load average
# TYPE llamaswap_load_average gauge
llamaswap_load_average{interval="1m"} 1.27
`,
};
