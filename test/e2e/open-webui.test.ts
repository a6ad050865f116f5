import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { startBrowser } from '../support/browser.ts';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { releaseAll } from '../support/holds-of.ts';
import {
  installOpenWebUi,
  type OpenWebUi,
  openTab,
  type PipelinesServer,
  startOpenWebUi,
  startPipelines,
  type Tab,
} from '../support/open-webui.ts';
import { type RealRouter, startRealRouter } from '../support/real-router.ts';
import { until } from '../support/until.ts';

/** Open WebUI 0.12.4, the Pipelines server and llama-server, with the functions of this project installed. */

const TOKEN = 'a-token-of-the-tests';
/** Longer than the filters cache the answer of the gate. */
const REMEMBERED_MS = 1_100;
/** What Open WebUI 0.12.4 shows instead of a Pipelines filter's message. */
const SAID_BY_PIPELINES = 'Internal Server Error';

let router: RealRouter;
let exporter: RunningExporter;
let pipelines: PipelinesServer;
let webui: OpenWebUi;
let tab: Tab;

beforeAll(async () => {
  installOpenWebUi();
  // Open WebUI asks for titles in many words.
  router = await startRealRouter({ models: ['tiny-a', 'tiny-b', 'mid'], args: ['-c', '8192'] });
  exporter = await startExporter([router.url], {}, { LLAMA_ROUTER_EXPORTER_TOKEN: TOKEN });
  pipelines = await startPipelines(exporter.url, TOKEN);
  webui = await startOpenWebUi([
    {
      url: `${router.url}/v1`,
      key: 'none',
      config: { enable: true, provider: 'llama.cpp', connection_type: 'local' },
    },
    { url: pipelines.url, key: pipelines.key },
  ]);
  await webui.install('gpu_hold_filter', { exporter_url: exporter.url });
  await webui.install('unload_models_action', { exporter_url: exporter.url, exporter_token: TOKEN });
  tab = await openTab(webui, 'yes');
}, 600_000);

afterAll(async () => {
  tab?.close();
  await webui?.stop();
  await pipelines?.stop();
  await exporter?.stop();
  await router?.stop();
});

beforeEach(() => pipelines.setValves({ refuse_chats: false }));
afterEach(async () => {
  if ((await release()) > 0) await sleep(REMEMBERED_MS);
  await toExporter('POST', '/api/v1/unload-all', { when_busy: 'force', wait: 60 });
});

async function toExporter(method: string, path: string, body?: unknown) {
  const answer = await fetch(exporter.url + path, {
    method,
    headers: {
      Authorization: `Bearer ${TOKEN}`,
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return answer.json();
}

/** Resolves when the filters have forgotten that nothing was held. */
async function hold() {
  await toExporter('POST', '/api/v1/holds', { ttl_seconds: 600, reason: 'training' });
  await sleep(REMEMBERED_MS);
}

const release = () => releaseAll(exporter.url, { Authorization: `Bearer ${TOKEN}` });

/** Loads a model and unloads it, longer ago than what the exporter grants a report that overtakes an unload. */
async function wasUnloaded(model: string) {
  await complete(model);
  await isNow(model, 'loaded');
  await sleep(REMEMBERED_MS);
  await toExporter('POST', '/api/v1/unload-all', { when_busy: 'force', wait: 60 });
}

const isNow = (model: string, status: string) =>
  exporter.untilValue('llama_router_model_status', { model, status }, 1);
const reloads = (model: string, cause: string) =>
  exporter.value('llama_router_model_reloads_after_unload_total', { model, cause });

/** As a program asks Open WebUI. */
const complete = (model: string, content = 'hello', token?: string) =>
  webui.ask(
    'POST',
    '/api/chat/completions',
    { model, messages: [{ role: 'user', content }], stream: false, max_tokens: 3 },
    token,
  );

/** As a browser does: a new chat, of which the tab hears how it ends. */
async function startChat(model: string, content: string, tasks: Record<string, boolean> = {}) {
  return (await beginChat(model, content, tasks)).ended();
}

async function beginChat(model: string, content: string, tasks: Record<string, boolean> = {}) {
  const [id, question] = [randomUUID(), randomUUID()];
  const before = tab.events.length;
  const { body } = await webui.ask('POST', '/api/chat/completions', {
    model,
    messages: [{ role: 'user', content }],
    stream: true,
    max_tokens: 5,
    session_id: tab.sessionId,
    id,
    parent_id: null,
    user_message: { id: question, parentId: null, childrenIds: [id], role: 'user', content, models: [model] },
    background_tasks: tasks,
  });
  expect(body).toMatchObject({ status: true });
  const events = () => tab.events.slice(before);
  const ended = async () => {
    await until('the chat to end', () =>
      events().some(({ type, data }) => type === 'chat:active' && data.active === false),
    );
    return events();
  };
  return { tasks: body.task_ids as string[], events, ended };
}

const errorIn = (events: Tab['events']) =>
  (events.find(({ type }) => type === 'chat:message:error')?.data.error as { content: string } | undefined)
    ?.content;

const press = (token?: string) =>
  webui.ask(
    'POST',
    '/api/chat/actions/unload_models_action',
    { model: 'tiny-a', messages: [], chat_id: 'local:1', id: randomUUID(), session_id: tab.sessionId },
    token,
  );

describe('a chat', () => {
  it('goes through the filters to the model', async () => {
    const { status, body } = await complete('tiny-a');
    expect([status, body.usage.completion_tokens]).toEqual([200, 3]);
    await isNow('tiny-a', 'loaded');
  });

  it('gets the holder, reason and end of the hold, and loads nothing', async () => {
    await hold();
    const { status, body } = await complete('tiny-a');
    expect(status).toBeGreaterThanOrEqual(400);
    expect(body.detail).toMatch(
      /^GPU memory of 127\.0\.0\.1:\d+ is kept free until (\d{4}-\d\d-\d\d )?\d\d:\d\d UTC for training \(requested by default\)\. Please try again after that\.$/,
    );
    expect(errorIn(await startChat('tiny-a', 'hello'))).toBe(body.detail);
    await isNow('tiny-a', 'unloaded');
  });

  it('goes on during a hold with a model that stayed in memory', async () => {
    await complete('tiny-a');
    await isNow('tiny-a', 'loaded');
    await hold();
    expect((await complete('tiny-a')).status).toBe(200);
  });

  it('is refused by the Pipelines filter alone, whose message Open WebUI drops', async () => {
    await pipelines.setValves({});
    await hold();
    expect((await complete('tiny-b')).body.detail).toBe(SAID_BY_PIPELINES);
    expect(pipelines.log()).toContain('is kept free until');
    await isNow('tiny-b', 'unloaded');
  });
});

describe('a chat that may wait', () => {
  const setWait = (seconds: number) =>
    webui.ask('POST', '/api/v1/functions/id/gpu_hold_filter/valves/update', {
      exporter_url: exporter.url,
      wait_seconds: seconds,
    });
  const statusIn = (events: Tab['events']) => events.filter(({ type }) => type === 'status').at(-1)?.data;
  const waiting = async () => {
    await hold();
    const chat = await beginChat('tiny-a', 'hello');
    await until('the chat to wait', () => statusIn(chat.events()));
    expect(statusIn(chat.events())).toEqual({
      description: expect.stringMatching(
        /^Waiting for the GPU: kept free until (\d{4}-\d\d-\d\d )?\d\d:\d\d UTC for training \(requested by default\)$/,
      ),
      done: false,
    });
    return chat;
  };
  beforeEach(() => setWait(60));
  afterEach(() => setWait(0));

  it('shows why, and continues when the hold ends', async () => {
    const chat = await waiting();
    await release();
    const events = await chat.ended();
    expect(errorIn(events)).toBeUndefined();
    expect(statusIn(events)).toEqual({
      description: expect.stringMatching(/^Waited \d+ s for the GPU$/),
      done: true,
    });
    await isNow('tiny-a', 'loaded');
  });

  it('can be stopped', async () => {
    const { tasks, events, ended } = await waiting();
    for (const task of tasks) await webui.ask('POST', `/api/tasks/stop/${task}`);
    await ended();
    expect(statusIn(events())?.done).toBe(true);
    await isNow('tiny-a', 'unloaded');
  });

  it('is refused when the time is over', async () => {
    await setWait(2);
    const chat = await waiting();
    expect(errorIn(await chat.ended())).toContain('is kept free until');
  });
});

describe('a background task', () => {
  const title = (model: string) =>
    webui.ask('POST', '/api/v1/tasks/title/completions', {
      model,
      messages: [{ role: 'user', content: 'hello' }],
      chat_id: 'local:1',
    });

  it('is the reported cause of a reload', async () => {
    await wasUnloaded('tiny-b');
    const before = (await reloads('tiny-b', 'task')) ?? 0;
    await title('tiny-b');
    await until('the reload to be counted', async () => (await reloads('tiny-b', 'task')) === before + 1);
  });

  it('is refused during a hold', async () => {
    await hold();
    expect((await title('tiny-b')).status).toBe(500);
    await isNow('tiny-b', 'unloaded');
  });

  it('does not load a model for the title of a chat that was refused', async () => {
    await hold();
    const events = await startChat('tiny-b', 'hello', { title_generation: true });
    expect(errorIn(events)).toContain('is kept free until');
    await until('the task to be refused', () => webui.log().includes('Error generating initial chat title'));
    await isNow('tiny-b', 'unloaded');
  });

  it('would load it without the Pipelines filter: functions do not see tasks', async () => {
    await pipelines.setValves({ refuse_chats: false, models: 'none-of-them' });
    await hold();
    // The chat itself is refused, unless the title was first to load the model.
    await startChat('tiny-b', 'hello', { title_generation: true });
    await isNow('tiny-b', 'loaded');
  });
});

describe('a reload', () => {
  it('names the chat as its cause', async () => {
    await wasUnloaded('tiny-a');
    const before = (await reloads('tiny-a', 'chat')) ?? 0;
    await startChat('tiny-a', 'hello');
    await until('the reload to be counted', async () => (await reloads('tiny-a', 'chat')) === before + 1);
  });
});

describe('the button', () => {
  it('asks for confirmation, unloads, shows progress and the result', async () => {
    await complete('tiny-a');
    await complete('tiny-b');
    await isNow('tiny-b', 'loaded');
    const before = tab.events.length;
    expect((await press()).status).toBe(200);
    const ended = () => tab.events.slice(before).find(({ type }) => type === 'notification');
    const last = await until('the last word', ended);
    expect(last.data).toEqual({
      type: 'success',
      content: expect.stringMatching(
        /^2 models unloaded.*\. Reload the page to update the list of models\.$/,
      ),
    });
    const events = tab.events.slice(before);
    const question = events.find(({ type }) => type === 'confirmation');
    expect(question?.data.title).toBe('Unload models?');
    expect(question?.data.message).toMatch(/^To be unloaded: .*tiny-a.*tiny-b/);
    expect(events.filter(({ type }) => type === 'status').at(-1)?.data.done).toBe(true);
    await isNow('tiny-a', 'unloaded');
    await isNow('tiny-b', 'unloaded');
  });

  it('does nothing for a user who is not an administrator', async () => {
    await complete('tiny-a');
    await isNow('tiny-a', 'loaded');
    const bob = await webui.addUser('bob@example.org');
    await press(bob);
    await isNow('tiny-a', 'loaded');
  });
});

describe('a browser', () => {
  it('unloads with the button, and then shows why a chat has to wait', async () => {
    const browser = await startBrowser();
    try {
      const page = await browser.newPage();
      await page.addInitScript({ content: `localStorage.setItem('token', '${webui.admin}')` });
      await page.goto(`${webui.url}/?models=tiny-a`);
      await page.locator('#chat-input').waitFor();
      // The release notes, shown once.
      await page.keyboard.press('Escape');
      const say = async (text: string) => {
        await page.locator('#chat-input').click();
        await page.keyboard.type(text);
        await page.keyboard.press('Enter');
      };
      await say('hello');
      await isNow('tiny-a', 'loaded');
      await page.getByRole('button', { name: 'unload_models_action' }).click();
      await page.getByText('Unload models?').waitFor();
      await page.getByRole('button', { name: 'Confirm', exact: true }).click();
      await page.getByText('1 model unloaded. Reload the page').waitFor();
      await isNow('tiny-a', 'unloaded');

      await hold();
      await say('and now?');
      await page
        .getByText(/is kept free until .* for training \(requested by default\)/)
        .first()
        .waitFor();
    } finally {
      await browser.close();
    }
  });
});

describe('the command', () => {
  it('unloads everything, and its own chat title loads nothing', async () => {
    await complete('tiny-a');
    await isNow('tiny-a', 'loaded');
    // Open WebUI 0.12.4 drops the sentence.
    expect(errorIn(await startChat('tiny-a', '/unload-all', { title_generation: true }))).toBe(
      SAID_BY_PIPELINES,
    );
    await isNow('tiny-a', 'unloaded');
    expect(pipelines.log()).toContain('1 model unloaded');
  });
});

describe("Open WebUI's own Eject", () => {
  it('is an external client to the exporter', async () => {
    await complete('tiny-a');
    await isNow('tiny-a', 'loaded');
    const ejected = () =>
      exporter.value('llama_router_model_unloads_total', { model: 'tiny-a', reason: 'external' });
    const before = (await ejected()) ?? 0;
    expect((await webui.ask('POST', '/api/models/unload', { model: 'tiny-a' })).status).toBe(200);
    await until('it to be counted', async () => (await ejected()) === before + 1);
  });
});
