import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { runCli } from '../../src/cli/cli.ts';
import { createSimulatedRouter, type SimulatedRouter } from '../../src/simulator/simulated-router.ts';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { until } from '../support/until.ts';

let router: SimulatedRouter;
let exporter: RunningExporter;
beforeAll(async () => {
  router = createSimulatedRouter({
    models: ['broken', 'chat', 'coder', 'rest'].map((id) => ({ id, loadSeconds: 0.02, sizeBytes: 5e9 })),
  });
  const { url } = await router.listen();
  exporter = await startExporter([url], { 'engine.interval': '1s' });
});
afterAll(async () => {
  await exporter.stop();
  await router.stop();
});

async function list(...args: string[]) {
  const out: string[] = [];
  const terminal = { out: (text: string) => void out.push(text), err: () => {}, isInteractive: false };
  const code = await runCli(['list', '--router', router.url, ...args], terminal);
  return { code, out: out.join('') };
}

/** What the page says of the router, then of each model, cell by cell. */
async function page(): Promise<{ facts: string; models: string[][] }> {
  const html = await (await fetch(exporter.url)).text();
  const plain = (part = '') => part.replace(/<[^>]*>/g, '').trim();
  return {
    facts: plain(/<p>(http[\s\S]*?)<\/p>/.exec(html)?.[1]),
    models: html
      .split('<tbody')[1]
      ?.split('<tr ')
      .slice(1)
      .map((row) =>
        [...row.matchAll(/<t[hd][^>]*>([\s\S]*?)<\/t[hd]>/g)].map(([, cell]) => plain(cell)),
      ) as string[][],
  };
}

it('tells in a terminal what the page tells, in the same words', async () => {
  router.failNextLoad('broken');
  await router.load('broken');
  await router.load('chat');
  await router.load('coder');
  void router.request('coder', { seconds: 5 });
  await until('the page to know', async () => {
    const { models } = await page();
    return models.some((cells) => cells.includes('busy')) && models.some((cells) => cells.includes('idle'));
  });
  const { code, out } = await list();
  const [first = '', head = '', ...lines] = out.trimEnd().split('\n');
  const told = await page();
  expect(code).toBe(0);
  // Its address and how its events come are of the page only.
  expect(first).toBe(`${new URL(router.url).host}  ${told.facts.split(' · ').slice(1, -1).join(', ')}`);
  expect(head).toMatch(/^STATUS +MODEL +ACTIVITY +SIZE +CONTEXT +NOTE$/);
  expect(lines.map((line) => line.split(/ {2,}/).slice(0, 2))).toEqual(
    told.models.map(([model, status]) => [status?.replace(' last load failed', ''), model]),
  );
  expect(lines.map((line) => line.replace(/\d+$/, '').trim())).toEqual([
    expect.stringMatching(/^loaded +chat +idle +4\.7 GiB/),
    expect.stringMatching(/^loaded +coder +busy +4\.7 GiB/),
    expect.stringMatching(/^unloaded +broken .*last load failed$/),
    expect.stringMatching(/^unloaded +rest/),
  ]);
});
