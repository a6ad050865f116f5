// The floor: bare node:http that answers a string which is ready, or (lower still) its bytes; or a bare Express app
// that sends the string.
import { createServer } from 'node:http';
import { gzip } from 'node:zlib';
import express from 'express';
import { takeTask } from '../support/task.mjs';

takeTask((/** @type {{ text: string, bytes?: boolean, through?: 'express' }} */ { text, bytes, through }) => {
  const handler = through === 'express' ? appOf(text) : handlerOf(text, bytes);
  const server = createServer(handler);
  server.listen(0, '127.0.0.1', () => process.send?.({ port: /** @type {any} */ (server.address()).port }));
});

const TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * @param {string} text
 * @param {boolean} [bytes]
 * @returns {import('node:http').RequestListener}
 */
function handlerOf(text, bytes) {
  const body = bytes ? Buffer.from(text) : text;
  const length = Buffer.byteLength(text);
  return (request, response) => {
    if (request.headers['accept-encoding'] !== 'gzip') {
      response.writeHead(200, { 'Content-Type': TYPE, 'Content-Length': length }).end(body);
      return;
    }
    gzip(body, { level: 1 }, (_error, packed) => {
      const headers = { 'Content-Type': TYPE, 'Content-Encoding': 'gzip', 'Content-Length': packed.length };
      response.writeHead(200, headers).end(packed);
    });
  };
}

/** @param {string} text */
function appOf(text) {
  const app = express();
  app.disable('x-powered-by').set('etag', false).set('query parser', 'simple');
  app.get('/metrics', (request, response) => {
    response.set('Content-Type', TYPE);
    if (request.headers['accept-encoding'] !== 'gzip') {
      response.send(text);
      return;
    }
    gzip(text, { level: 1 }, (_error, packed) => {
      response.set('Content-Encoding', 'gzip').send(packed);
    });
  });
  return app;
}
