import { once } from 'node:events';
import { get } from 'node:http';
import { createParser } from 'eventsource-parser';

/**
 * Follows a router's event stream as any client does, and passes on what it says of a model's status.
 * @param {string} url
 * @param {(event: { model: string, data: { status: string, exit_code?: number } }) => void} heard
 */
export async function followStatuses(url, heard) {
  const request = get(`${url}/models/sse`);
  const [response] = await once(request, 'response');
  const parser = createParser({
    onEvent({ data }) {
      const event = JSON.parse(data);
      if (event.data?.status) heard(event);
    },
  });
  response.setEncoding('utf8').on('data', parser.feed);
  response.on('error', () => {});
  request.on('error', () => {});
  return request;
}
