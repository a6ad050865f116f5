import { once } from 'node:events';
import { get } from 'node:http';
import { createParser } from 'eventsource-parser';

const TIMEOUT_MS = 10_000;

/**
 * Follows a router's event stream as any client does, and passes on what it says of a model's status.
 * @param {string} url
 * @param {(event: { model: string, data: { status: string, exit_code?: number } }) => void} heard
 */
export const followStatuses = (url, heard) =>
  follow(`${url}/models/sse`, (event) => event.data?.status && heard(event));

/**
 * Follows the event stream of the exporter on this port, and passes on the changes of status.
 * @param {number} port
 * @param {(change: { router: string, model: string, to: string }) => void} heard
 */
export const followExporter = (port, heard) =>
  follow(`http://127.0.0.1:${port}/api/v1/events`, (event) => event.event === 'status' && heard(event));

/** @param {string} url @param {(event: any) => void} heard */
async function follow(url, heard) {
  const request = get(url);
  const [response] = await once(request, 'response', { signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (response.statusCode !== 200) throw new Error(`GET ${url} answers ${response.statusCode}`);
  const parser = createParser({ onEvent: ({ data }) => heard(JSON.parse(data)) });
  response.setEncoding('utf8').on('data', parser.feed);
  response.on('error', () => {});
  request.on('error', () => {});
  return request;
}
