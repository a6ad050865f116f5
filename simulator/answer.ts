/** What a request is answered with. */
export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const JSON_TYPE = 'application/json; charset=utf-8';

export function json(body: unknown, status = 200): Answer {
  return { status, type: JSON_TYPE, body: JSON.stringify(body) };
}

/** JSON that is text already. */
export function jsonText(body: string): Answer {
  return { status: 200, type: JSON_TYPE, body };
}

/** The format of Prometheus, as llama-server labels it. */
export function exposition(body: string): Answer {
  return { status: 200, type: 'text/plain; version=0.0.4', body };
}

export function page(body: string): Answer {
  return { status: 200, type: 'text/html', body };
}

export const success = json({ success: true });

/** Whatever is answered with 404, the router's web server replaces the body by this one. */
export const notFound = json(
  { error: { message: 'File Not Found', type: 'not_found_error', code: 404 } },
  404,
);

export const unauthorized = json(
  { error: { message: 'Invalid API Key', type: 'authentication_error', code: 401 } },
  401,
);

export function invalid(message: string): Answer {
  return json({ error: { code: 400, message, type: 'invalid_request_error' } }, 400);
}

export function serverError(message: string): Answer {
  return json({ error: { code: 500, message, type: 'server_error' } }, 500);
}

export function unsupported(endpoint: string): Answer {
  const message = `This server does not support ${endpoint} endpoint. Start it with \`--${endpoint}\``;
  return json({ error: { code: 501, message, type: 'not_supported_error' } }, 501);
}

/** Plain text that calls itself JSON: the router has set the type before the model's process failed it. */
export function proxyError(reason: 'Could not establish connection' | 'Failed to read connection'): Answer {
  return { status: 500, type: JSON_TYPE, body: `proxy error: ${reason}` };
}
