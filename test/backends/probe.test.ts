import { expect, it } from '@jest/globals';
import { createProbe } from '../../src/backends/probe.ts';
import { Secret } from '../../src/lib/secret.ts';
import { scriptHttp } from '../support/scripted-server.ts';

it('sends the API key as UTF-8 bytes', async () => {
  let sent = '';
  const server = await scriptHttp((request, response) => {
    sent = request.headers.authorization ?? '';
    response.end('{}');
  });
  const api_key = new Secret('schlüssel-模');
  const probe = createProbe({ url: server.url, api_key, requestTimeoutMs: 1000, modelTimeoutMs: 1000 });
  expect((await probe.ask('/props', new AbortController().signal)).kind).toBe('said');
  expect(Buffer.from(sent, 'latin1').toString('utf8')).toBe('Bearer schlüssel-模');
  await probe.close();
  await server.stop();
});
