// What most exporters in Node are: express, and prom-client renders. It gets the same lines as gauges that are
// set already, so that nothing but the scrape itself is measured.
import { gzip } from 'node:zlib';
import express from 'express';
import { Gauge, Registry } from 'prom-client';
import { takeTask } from '../support/task.mjs';

takeTask((/** @type {{ text: string }} */ { text }) => {
  const registry = new Registry();
  for (const line of text.split('\n')) if (line !== '' && !line.startsWith('#')) set(registry, line);
  const app = express();
  app.get('/metrics', async (request, response) => {
    response.set('Content-Type', registry.contentType);
    const body = await registry.metrics();
    if (request.headers['accept-encoding'] !== 'gzip') {
      response.send(body);
      return;
    }
    gzip(body, { level: 1 }, (_error, packed) => {
      response.set('Content-Encoding', 'gzip').send(packed);
    });
  });
  const server = app.listen(0, '127.0.0.1', () => {
    process.send?.({ port: /** @type {any} */ (server.address()).port });
  });
});

/**
 * @param {Registry} registry
 * @param {string} line as an exposition has it
 */
function set(registry, line) {
  const [, name = '', inner = '', value = ''] = /^([^{ ]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
  const labels = Object.fromEntries(
    [...inner.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, text]) => [key, text]),
  );
  const known = registry.getSingleMetric(name);
  const shared = { name, help: 'The same lines as the exporter has.', registers: [registry] };
  const gauge = known ?? new Gauge({ ...shared, labelNames: Object.keys(labels) });
  /** @type {Gauge} */ (gauge).set(labels, Number(value === '+Inf' ? Number.POSITIVE_INFINITY : value));
}
