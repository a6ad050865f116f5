import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import axe from 'axe-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { createMachineFiles } from '../../simulator/machine-files.ts';
import { createSimulatedMemory } from '../../simulator/simulated-memory.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { startBrowser } from '../support/browser.ts';
import { type ExporterProcess, startExporterProcess } from '../support/exporter-process.ts';
import { makeRunFolder } from '../support/run-folder.ts';
import { createTestRouter, type TestRouter } from '../support/simulator/test-router.ts';
import { until } from '../support/until.ts';

/** If it ran as a script, it would change the title. */
const HOSTILE = '<img src=x onerror="document.title=\'owned\'">"\'&';
const TOKEN = 'the-right-token-0123456789';

let browser: Browser;
let router: TestRouter;
/** The built program: its page comes out of the bundle. */
let exporter: ExporterProcess;
/** Warnings and errors of the browser, and its requests to other servers. */
let complaints: string[];

beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(() => browser?.close());

beforeEach(async () => {
  complaints = [];
  router = createTestRouter({
    models: ['tiny-a', 'tiny-b', HOSTILE].map((id) => ({ id, loadSeconds: 0.05, sizeBytes: 5e9 })),
  });
  await router.listen();
});
afterEach(async () => {
  await Promise.all(browser.contexts().map((context) => context.close()));
  await exporter?.stop();
  await router.stop();
});

/** The page of an exporter that follows the router, in a new browser context. */
async function openPage(
  env: Record<string, string> = {},
  options: BrowserContextOptions = {},
  script = '',
  flags: Record<string, string> = {},
): Promise<Page> {
  exporter = await startExporterProcess([router], { 'engine.interval': '1s', ...flags }, env);
  const context = await browser.newContext({ ...options, viewport: { width: 1280, height: 900 } });
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  await page.addInitScript(script);
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', ({ message }) => complaints.push(message));
  page.on('request', (request) => {
    if (!/^data:/.test(request.url()) && new URL(request.url()).origin !== exporter.url) {
      complaints.push(`it asks ${request.url()}`);
    }
  });
  await page.goto(exporter.url);
  if (options.javaScriptEnabled !== false) await page.getByText('live', { exact: true }).waitFor();
  return page;
}

/** Without the refresh every five seconds, only events refresh the page. */
const WITHOUT_POLLS = `
  const { setTimeout } = globalThis;
  globalThis.setTimeout = (action, ms) => (ms < 5000 ? setTimeout(action, ms) : 0);`;

const rowOf = (page: Page, model: string) =>
  page.getByRole('row').filter({ has: page.getByRole('rowheader', { name: model, exact: true }) });

const loaded = () =>
  router.models.filter(({ status }) => status === 'loaded').map(({ description }) => description.id);

/** The list in the dialog, one line per model. */
const listOf = (page: Page) => page.getByRole('dialog').getByRole('listitem').allInnerTexts();

describe('the page', () => {
  it('shows changes without a reload and without losing focus or scroll position', async () => {
    await router.load('tiny-b');
    const page = await openPage({}, {}, WITHOUT_POLLS);
    await page.evaluate('globalThis.wasHere = true');
    const button = page.getByRole('button', { name: 'Unload tiny-b' });
    await button.focus();
    await router.load('tiny-a');
    await rowOf(page, 'tiny-a').getByText('loaded', { exact: true }).waitFor();
    expect(await button.evaluate((element) => element === element.ownerDocument.activeElement)).toBe(true);
    router.unload('tiny-a');
    await rowOf(page, 'tiny-a').getByText('unloaded', { exact: true }).waitFor();
    expect(await page.evaluate('globalThis.wasHere')).toBe(true);
    expect(complaints).toEqual([]);
  });

  it('unloads everything by keyboard after a confirmation', async () => {
    for (const model of ['tiny-a', 'tiny-b', HOSTILE]) await router.load(model);
    const page = await openPage();
    for (const model of ['tiny-b', HOSTILE]) {
      await rowOf(page, model).getByText('loaded', { exact: true }).waitFor();
    }
    const name = `Unload all models of ${new URL(router.url).host}`;
    for (let presses = 0; presses < 20; presses += 1) {
      await page.keyboard.press('Tab');
      const focused = page.locator(':focus');
      if ((await focused.count()) > 0 && (await focused.getAttribute('aria-label')) === name) break;
    }
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: `${name}?` });
    await dialog.getByRole('button', { name: 'Unload 3 models' }).waitFor();
    // Their order is not guaranteed.
    const lines = (await listOf(page)).map((line) => line.replace(/\s+/g, ' ').trim());
    expect(lines.toSorted()).toEqual(
      ['would unload tiny-a', 'would unload tiny-b', `would unload ${HOSTILE}`].toSorted(),
    );
    expect(loaded()).toHaveLength(3);

    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });
    expect(loaded()).toHaveLength(3);

    // Cancelling returns to the previous state.
    await page.keyboard.press('Enter');
    const confirm = dialog.getByRole('button', { name: 'Unload 3 models' });
    await confirm.waitFor();
    for (let presses = 0; presses < 5 && !(await confirm.evaluate(isFocused)); presses += 1) {
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('Enter');
    await page.getByText('Finished: 3 unloaded.').waitFor();
    expect(await page.getByRole('button', { name: 'Close' }).evaluate(isFocused)).toBe(true);
    expect(loaded()).toEqual([]);
    const answer = await fetch(`${exporter.url}/api/v1/operations`);
    const { operations } = (await answer.json()) as { operations: unknown[] };
    expect(operations[0]).toMatchObject({
      trigger: 'page',
      outcome: 'success',
      caller: { name: 'loopback' },
    });
    await page.keyboard.press('Escape');
    await page.getByRole('table', { name: 'Last operations' }).getByText('done', { exact: true }).waitFor();
    expect(await page.title()).toBe('llama-router-exporter');
    expect(complaints).toEqual([]);
  });

  it('marks busy models, waits for them, and shows progress', async () => {
    await router.load('tiny-a');
    const page = await openPage();
    const served = router.request('tiny-a', { seconds: 3600 });
    await rowOf(page, 'tiny-a').getByText('busy', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Unload tiny-a' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('it is generating: the operation would wait up to 5m').waitFor();
    await dialog.getByLabel('Skip them').check();
    await dialog.getByText('Nothing would be unloaded.').waitFor();
    await dialog.getByLabel('Wait until they are idle').check();
    await dialog.getByRole('button', { name: 'Unload 1 model' }).click();
    await dialog.getByText('In progress. It continues when you close this dialog.').waitFor();
    await dialog
      .getByRole('listitem')
      .filter({ hasText: /waiting for\s+tiny-a/ })
      .waitFor();
    router.model('tiny-a').engine.finishRunning();
    await dialog.getByText('Finished: 1 unloaded.').waitFor();
    expect(await served).toBe('done');
    expect(complaints).toEqual([]);
  });

  it('places a hold on request, and releases it', async () => {
    await router.load('tiny-a');
    const page = await openPage();
    await page.getByRole('button', { name: 'Unload tiny-a' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('After unloading').selectOption('keep the memory free for 2 hours');
    await dialog.getByRole('button', { name: 'Unload 1 model' }).click();
    await dialog.getByText('Finished: 1 unloaded.').waitFor();
    await dialog.getByRole('button', { name: 'Close' }).click();
    await page.getByText('kept free').waitFor();
    await page.getByRole('button', { name: 'Release the hold' }).click();
    await dialog.getByRole('button', { name: 'Release' }).click();
    await page.getByText('kept free').waitFor({ state: 'detached' });
    expect(complaints).toEqual([]);
  });

  it('unloads a model with any name', async () => {
    await router.load(HOSTILE);
    const page = await openPage();
    await page.getByRole('button', { name: `Unload ${HOSTILE}` }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Unload 1 model' }).click();
    await page.getByText('Finished: 1 unloaded.').waitFor();
    expect([loaded(), await page.title(), await page.locator('img').count()]).toEqual([
      [],
      'llama-router-exporter',
      0,
    ]);
    expect(complaints).toEqual([]);
  });

  it('reports a wrong token, accepts the right one, and forgets it', async () => {
    await router.load('tiny-a');
    const page = await openPage({ LLAMA_ROUTER_EXPORTER_TOKEN: TOKEN });
    await page.getByRole('button', { name: 'Unload tiny-a' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('Changes need a token.').waitFor();
    expect(await dialog.getByLabel('Token').evaluate(isFocused)).toBe(true);
    await dialog.getByLabel('Token').fill('some-other-token-0123456789');
    await page.keyboard.press('Enter');
    await dialog.getByText('This token is wrong. Nothing was changed.').waitFor();
    expect(await stored(page)).toEqual([{}, {}]);
    await dialog.getByLabel('Token').fill(TOKEN);
    await page.keyboard.press('Enter');
    await dialog.getByRole('button', { name: 'Unload 1 model' }).click();
    await dialog.getByText('Finished: 1 unloaded.').waitFor();
    expect(loaded()).toEqual([]);
    expect(await stored(page)).toEqual([{ 'llama-router-exporter token': TOKEN }, {}]);
    expect(await page.content()).not.toContain(TOKEN);
    await dialog.getByRole('button', { name: 'Close' }).click();
    await page.getByRole('button', { name: 'Forget the token' }).click();
    expect(await stored(page)).toEqual([{}, {}]);
    // What a browser itself writes of every refused request, and nothing else.
    expect(complaints.filter((complaint) => !complaint.includes('401 (Unauthorized)'))).toEqual([]);
  });

  it('reports that the exporter does not answer, and recovers with it', async () => {
    const page = await openPage();
    await page.route('**/*', (route) => route.abort());
    await page.getByText('no answer from the exporter since').waitFor();
    expect(await rowOf(page, 'tiny-a').count()).toBe(1);
    await page.unroute('**/*');
    await page.getByText(/^(live|every few seconds)$/).waitFor();
  });

  it('is a plain table without scripts', async () => {
    await router.load('tiny-a');
    const page = await openPage({}, { javaScriptEnabled: false });
    expect(await rowOf(page, 'tiny-a').innerText()).toMatch(/tiny-a\s+loaded/);
    expect(await page.getByRole('button').count()).toBe(0);
    router.unload('tiny-a');
    await until('the page to reload itself', async () =>
      /tiny-a\s+unloaded/.test(await rowOf(page, 'tiny-a').innerText()),
    );
    expect(complaints).toEqual([]);
  });

  it.each([320, 1440])('fits into %d pixels', async (width) => {
    for (const model of ['tiny-a', HOSTILE]) await router.load(model);
    const page = await openPage();
    await page.setViewportSize({ width, height: 800 });
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
    await page.getByRole('button', { name: /^Unload all/ }).click();
    await page.getByRole('button', { name: 'Unload 2 models' }).waitFor();
    const box = await page.getByRole('dialog').boundingBox();
    expect([(box?.x ?? -1) >= 0, (box?.x ?? 0) + (box?.width ?? 9999) <= width]).toEqual([true, true]);
  });
});

describe('axe, with all of its rules, has nothing to say about', () => {
  it('a router without models', async () => {
    for (const { description } of [...router.models]) router.removeModel(description.id);
    expect(await saysAxe(await openPage())).toEqual([]);
  });

  it('a router that is down', async () => {
    const page = await openPage();
    await router.stop();
    await page.getByText('down', { exact: true }).waitFor();
    expect(await saysAxe(page)).toEqual([]);
  });

  it('models, memory, a hold, operations and the dialog', async () => {
    const folder = makeRunFolder('machine');
    createMachineFiles(
      folder,
      router,
      Number(new URL(router.url).port),
    )(createSimulatedMemory(router, '', systemClock)());
    for (const model of ['tiny-a', 'tiny-b']) await router.load(model);
    router.request('tiny-a', { seconds: 3600 });
    const page = await openPage({}, {}, '', {
      'path.procfs': join(folder, 'proc'),
      'path.sysfs': join(folder, 'sys'),
    });
    await post('holds', { ttl_seconds: 3600, reason: 'training', holder: 'alice' });
    await post('unload', { models: ['tiny-b'] });
    await rowOf(page, 'tiny-a').getByText('busy', { exact: true }).waitFor();
    await page.getByRole('heading', { name: 'GPU memory' }).waitFor();
    await page.getByText('kept free').waitFor();
    expect(await saysAxe(page)).toEqual([]);
    await page.getByRole('button', { name: 'Unload tiny-a' }).click();
    await page.getByRole('dialog').getByText('it is generating').waitFor();
    expect(await saysAxe(page)).toEqual([]);
    rmSync(folder, { recursive: true });
  });
});

async function post(path: string, body: object): Promise<void> {
  const answer = await fetch(`${exporter.url}/api/v1/${path}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
}

/** Every rule, with those of WCAG's level AAA; `hidden-content` only says that something is hidden, as the dialog is. */
const AXE = `axe.run(document, { rules: Object.fromEntries(
  axe.getRules().map(({ ruleId }) => [ruleId, { enabled: ruleId !== 'hidden-content' }])) })`;

/** What axe finds in both colour schemes, on a wide and on a narrow screen. */
async function saysAxe(page: Page): Promise<string[]> {
  const said: string[] = [];
  await page.evaluate(axe.source);
  for (const colorScheme of ['light', 'dark'] as const) {
    for (const width of [1280, 320]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 900 });
      const { violations, incomplete } = await page.evaluate<axe.AxeResults>(AXE);
      for (const { id, help, nodes } of [...violations, ...incomplete]) {
        const where = nodes.map(({ target, failureSummary }) => `${target.join(' ')}: ${failureSummary}`);
        said.push(`${colorScheme} ${width} ${id}: ${help}\n${where.join('\n')}`);
      }
    }
  }
  return said;
}

function isFocused(element: { ownerDocument: { activeElement: unknown } }): boolean {
  return element === element.ownerDocument.activeElement;
}

/** The contents of session storage and local storage. */
function stored(page: Page): Promise<unknown> {
  return page.evaluate('[{ ...sessionStorage }, { ...localStorage }]');
}
