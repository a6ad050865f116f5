// What most exporters of a server without metrics do: list the models every 15 s, and set gauges. It counts the loads
// that it can see: a model that is in memory now and was not at the last listing.
import express from 'express';
import { Counter, Gauge, Registry } from 'prom-client';
import { listed } from '../support/router.mjs';
import { takeTask } from '../support/task.mjs';

takeTask((/** @type {{ url: string, everyMs: number }} */ { url, everyMs }) => {
  const registry = new Registry();
  const registers = [registry];
  const labelNames = ['router', 'model', 'status'];
  const gauge = new Gauge({ name: 'llama_router_model_status', help: 'Status.', labelNames, registers });
  const loads = new Counter({ name: 'llama_router_model_loads_total', help: 'Loads.', registers });
  const router = new URL(url).host;
  /** @type {Set<string> | undefined} */
  let before;
  const poll = async () => {
    const loaded = new Set();
    for (const { id, status } of await listed(url)) {
      for (const each of ['unloaded', 'loading', 'loaded'])
        gauge.set({ router, model: id, status: each }, Number(each === status.value));
      if (status.value === 'loaded') loaded.add(id);
    }
    for (const id of loaded) if (before && !before.has(id)) loads.inc();
    before = loaded;
  };
  setInterval(() => void poll(), everyMs);
  void poll();
  const app = express();
  app.get('/metrics', async (_request, response) => void response.send(await registry.metrics()));
  const server = app.listen(0, '127.0.0.1', () => {
    process.send?.({ port: /** @type {any} */ (server.address()).port });
  });
});
