/** A complete HTTP answer. */
export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const JSON_TYPE = 'application/json; charset=utf-8';

export function json(body: unknown, status = 200): Answer {
  return jsonText(JSON.stringify(body), status);
}

export function jsonText(body: string, status = 200): Answer {
  return { status, type: JSON_TYPE, body };
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

export function unsupported(endpoint: string): Answer {
  const message = `This server does not support ${endpoint} endpoint. Start it with \`--${endpoint}\``;
  return error(501, 'not_supported_error', message);
}

/** Plain text with a JSON content type: the router sets the type before the model's process fails. */
export function proxyError(reason: 'Could not establish connection' | 'Failed to read connection'): Answer {
  return jsonText(`proxy error: ${reason}`, 500);
}
