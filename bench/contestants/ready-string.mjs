// The floor: bare node:http that answers a string which is ready, or (lower still) its bytes.
import { createServer } from 'node:http';
import { gzip } from 'node:zlib';
import { takeTask } from '../support/task.mjs';

takeTask((/** @type {{ text: string, bytes?: boolean }} */ { text, bytes }) => {
  const body = bytes ? Buffer.from(text) : text;
  const length = Buffer.byteLength(text);
  const type = 'text/plain; version=0.0.4; charset=utf-8';
  const server = createServer((request, response) => {
    if (request.headers['accept-encoding'] !== 'gzip') {
      response.writeHead(200, { 'Content-Type': type, 'Content-Length': length }).end(body);
      return;
    }
    gzip(body, { level: 1 }, (_error, packed) => {
      const headers = { 'Content-Type': type, 'Content-Encoding': 'gzip', 'Content-Length': packed.length };
      response.writeHead(200, headers).end(packed);
    });
  });
  server.listen(0, '127.0.0.1', () => process.send?.({ port: /** @type {any} */ (server.address()).port }));
});
