import { Agent, get, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { expect, it } from '@jest/globals';
import { serve } from '../../src/http/server.ts';
import { until } from '../support/until.ts';

it('closes when its last request ends, even with keep-alive connections', async () => {
  let finish: (() => void) | undefined;
  const server = await serve(
    (_: IncomingMessage, response: ServerResponse) => {
      finish = () => response.end('done');
    },
    { host: '127.0.0.1', port: 0 },
  );
  const agent = new Agent({ keepAlive: true });
  const answered = new Promise<number | undefined>((resolve, reject) => {
    get(`http://127.0.0.1:${server.port}`, { agent }, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode));
    }).on('error', reject);
  });
  const answer = await until('the request', () => finish, { everyMs: 1 });
  const startedAt = performance.now();
  const closed = server.close();
  answer();
  expect(await answered).toBe(200);
  await closed;
  expect(performance.now() - startedAt).toBeLessThan(1500);
  agent.destroy();
});

it('cuts connections without a request after the grace period', async () => {
  const server = await serve(() => {}, { host: '127.0.0.1', port: 0 }, { graceMs: 50 });
  const socket = connect(server.port, '127.0.0.1').on('error', () => {});
  await new Promise((resolve) => socket.once('connect', resolve));
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await server.close();
  await closed;
});
