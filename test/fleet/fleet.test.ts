import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { startExporter } from '../support/exporter.ts';
import { scratchFolder } from '../support/scratch-folder.ts';
import { createTestRouter } from '../support/simulator/test-router.ts';

it('a reload that changes an option of a router keeps its state, one that changes its URL does not', async () => {
  const folder = scratchFolder();
  const file = join(folder, 'config.yml');
  const router = createTestRouter({ models: [{ id: 'tiny-a', loadSeconds: 0.01 }], exitSeconds: 0.001 });
  await router.listen();
  const configure = (url: string, apiKey: string) =>
    writeFileSync(file, `routers: [{ name: box, url: '${url}', api_key: '${apiKey}' }]\n`);
  configure(router.url, 'first');
  const exporter = await startExporter([], { 'config.file': file });
  try {
    const labels = { router: 'box', model: 'tiny-a' };
    const since = () => exporter.value('llama_router_model_status_since_timestamp_seconds', labels);
    await router.load('tiny-a');
    await exporter.untilValue('llama_router_model_loads_total', labels, 1);
    const loadedSince = await since();
    expect(loadedSince).toBeGreaterThan(0);

    configure(router.url, 'second');
    expect(await exporter.service.reload()).toEqual({});
    await exporter.service.fleet.ready();
    expect(await since()).toBe(loadedSince);
    expect(exporter.log()).not.toContain('router removed');

    configure(router.url.replace('127.0.0.1', 'localhost'), 'second');
    expect(await exporter.service.reload()).toEqual({});
    await exporter.service.fleet.ready();
    expect(await since()).toBeUndefined();
    expect(exporter.log()).toContain('router removed');
  } finally {
    await exporter.stop();
    await router.stop();
  }
});
