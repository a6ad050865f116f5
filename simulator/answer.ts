/** A complete HTTP answer. */
export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const JSON_TYPE = 'application/json; charset=utf-8';

export function json(body: unknown, status = 200): Answer {
  return { status, type: JSON_TYPE, body: JSON.stringify(body) };
}

/** Prometheus text, with the content type of llama-server. */
export function exposition(body: string): Answer {
  return { status: 200, type: 'text/plain; version=0.0.4', body };
}

export function page(body: string): Answer {
  return { status: 200, type: 'text/html', body };
}

/** An error as llama-server writes it. */
export function error(code: number, type: string, message: string): Answer {
  return json({ error: { code, message, type } }, code);
}

export const invalid = (message: string) => error(400, 'invalid_request_error', message);
export const serverError = (message: string) => error(500, 'server_error', message);

/** The router's web server replaces the body of every 404. Its keys have another order. */
export const notFound = json(
  { error: { message: 'File Not Found', type: 'not_found_error', code: 404 } },
  404,
);

export const noMetrics = error(
  501,
  'not_supported_error',
  'This server does not support metrics endpoint. Start it with `--metrics`',
);

/** Plain text with a JSON content type: the router sets the type before the model's process fails. */
export function proxyError(reason: 'Could not establish connection' | 'Failed to read connection'): Answer {
  return { status: 500, type: JSON_TYPE, body: `proxy error: ${reason}` };
}
