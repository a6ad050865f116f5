import { describe, expect, it } from '@jest/globals';
import supertest from 'supertest';
import { SWAP_TRAITS } from '../../src/backends/llama-swap/traits.ts';
import { createHolds } from '../../src/hold/holds.ts';
import { createApp } from '../../src/http/app.ts';
import { renderPage } from '../../src/http/page/page.ts';
import { STYLE } from '../../src/http/page/style.ts';
import type { Operation } from '../../src/unload/report.ts';
import { aHoldRequest } from '../support/a-hold.ts';
import { aListing, listed } from '../support/a-model.ts';
import { aReading } from '../support/a-reading.ts';
import { anOperation } from '../support/an-operation.ts';
import { type AppOptions, appParts, NO_MEMORY } from '../support/app-parts.ts';
import { cpuMs } from '../support/cpu-time.ts';
import { addRouter, driven } from '../support/driven-router.ts';
import { aBusyFleet, anEmptyFleet, HOSTILE_ID, type ObservedFleet } from '../support/fleets.ts';

const GB = 1024 ** 3;

async function thePage(observed: ObservedFleet = aBusyFleet(), parts: AppOptions = {}) {
  return supertest(createApp(appParts(observed, parts))).get('/');
}

/** The visible text. */
function textOf(html: string): string {
  return html
    .replace(/<(style|script|dialog)[\s\S]*?<\/\1>/g, '')
    .replace(/<[^>]*>/g, ' ')
    .replace(/&#(\d+);/g, (_, code) => String.fromCharCode(code))
    .replace(/\s+/g, ' ');
}

/** The cells of a model's row, without those that are empty. */
function rowOf(html: string, model: string): string[] {
  const row = html.split('<tr ').find((each) => each.includes(`rowheader">${model}</th>`)) ?? '';
  return [...row.matchAll(/<t[hd][^>]*>([\s\S]*?)<\/t[hd]>/g)]
    .map(([, cell = '']) => textOf(cell).trim())
    .filter((cell) => cell !== '');
}

const operationsOf = (...operations: Operation[]) => ({
  ...appParts(anEmptyFleet()).operations,
  list: () => operations,
});

describe('the page', () => {
  it('runs only its own script, and loads nothing from other sites', async () => {
    const { text, headers, status } = await thePage();
    expect([status, headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(headers['content-security-policy']).toBe(
      "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; connect-src 'self'; " +
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
    expect([headers['x-content-type-options'], headers['referrer-policy'], headers['cache-control']]).toEqual(
      ['nosniff', 'no-referrer', 'no-store'],
    );
    expect(text.match(/<script[^>]*>[^<]*/g)).toEqual(['<script type="module" src="/page.js">']);
    expect(text).not.toMatch(/<img|<iframe|<style|javascript:|\s(on\w+|style)="/i);
    expect(text).not.toMatch(/(src|href)="(?!\/|data:,")/);
  });

  it('shows each router and each model', async () => {
    const { text } = await thePage();
    const read = textOf(text);
    for (const shown of [
      'gpu-box up',
      'http://gpu-box:8080 · llama-server b11669-Debian · 7 models, 3 in memory · at most 4 in memory · live events',
      'attic up',
      'http://attic:8080 · 1 model, 1 in memory · no event stream: polled every 2s',
      'cellar down',
      'http://cellar:8080/models did not answer within 5 s. The table shows the last known state.',
    ])
      expect(read).toContain(shown);
    expect(rowOf(text, 'qwen3-8b')).toEqual([
      ...['qwen3-8b', 'loaded', '11s', 'unknown', '4.6 GiB Q4_K - Medium', '2s', 'Unload'],
    ]);
    expect(rowOf(text, 'llama-70b')).toEqual(['llama-70b', 'loading 25 %', '1s', 'Unload']);
    expect(rowOf(text, 'broken')).toEqual([
      'broken',
      'unloaded listed as failed since before monitoring began',
      'unknown',
      'Load',
    ]);
  });

  it('works without its script: buttons are hidden, and it reloads itself', async () => {
    const { text } = await thePage();
    expect(text).toContain('<noscript><meta http-equiv="refresh" content="5"></noscript>');
    const buttons = text.slice(0, text.indexOf('<dialog')).match(/<button[^>]*>/g) ?? [];
    expect(buttons.length).toBeGreaterThan(4);
    expect(buttons.filter((button) => !button.includes('class="act"'))).toEqual([]);
    expect((await supertest(createApp(appParts(aBusyFleet()))).get('/style.css')).text).toContain(
      'html:not(.live) .act { display: none !important; }',
    );
  });

  it('offers to unload what is in memory and to load the rest, where the router answers', async () => {
    const { text } = await thePage();
    const acts = [
      ...text.matchAll(/data-act="([^"]*)"(?: data-router="([^"]*)")?(?: data-model="([^"]*)")?/g),
    ];
    expect(acts.map(([, ...words]) => words.filter((word) => word !== undefined).join(' '))).toEqual([
      'unload-all',
      'unload-all gpu-box',
      'unload gpu-box llama-70b',
      'unload gpu-box qwen3-8b',
      'unload gpu-box tiny',
      'load gpu-box broken',
      expect.stringContaining('load gpu-box &#60;img src=x'),
      'unload-all attic',
      'unload attic solo',
    ]);
  });

  it('offers nothing that cannot work: no load without such an order, nothing to a model on its way out', async () => {
    const observed = anEmptyFleet();
    const { state, props, listed: list } = addRouter(observed.store, 'swap');
    state.traits = SWAP_TRAITS;
    props({ build: '250' });
    list(aListing(listed('out', 'unloading'), listed('off', 'unloaded'), listed('on', 'loaded')));
    const { text } = await thePage(observed);
    expect([...text.matchAll(/data-act="([^"]*)" data-router="swap"/g)].map(([, act]) => act)).toEqual([
      ...['unload-all', 'unload'],
    ]);
    expect(rowOf(text, 'out')).toEqual(['out', 'unloading', 'unknown']);
    expect(textOf(text)).toContain('llama-swap 250 · 3 models, 2 in memory');
    list(aListing(listed('out', 'unloading'), listed('off', 'unloaded')));
    expect((await thePage(observed)).text).not.toContain('data-act="unload');
  });

  it('shows the memory of models and other processes in a bar and a legend', async () => {
    const reading = aReading({
      gpus: [
        {
          ...{ gpu: '0', uuid: 'GPU-1', name: 'RTX', pool: 'vram' },
          ...{ totalBytes: 10 * GB, usedBytes: 7 * GB, unownedBytes: 2 * GB },
        },
        { gpu: '1', uuid: 'GPU-2', name: 'RTX', pool: 'vram', totalBytes: 4 * GB, usedBytes: GB },
        { gpu: '2', uuid: 'GPU-3', name: 'Arc', pool: 'vram', totalBytes: GB },
      ],
      models: [
        {
          ...{ router: 'gpu-box', model: 'qwen3-8b', cpuSeconds: 1, residentBytes: GB / 2 },
          gpus: [{ uuid: 'GPU-1', pool: 'vram', bytes: 5 * GB }],
        },
      ],
    });
    const { text } = await thePage(undefined, { memory: { ...NO_MEMORY, reading: () => reading } });
    const [, section = ''] = text.split('<h2>GPU memory</h2>');
    expect(textOf(section.split('</section>')[0] ?? '').trim()).toBe(
      'GPU 0 RTX 7.0 GiB of 10.0 GiB used, 70 % qwen3-8b: 5.0 GiB other processes: 2.0 GiB free: 3.0 GiB ' +
        'qwen3-8b 5.0 GiB other processes 2.0 GiB free 3.0 GiB ' +
        'GPU 1 RTX 1.0 GiB of 4.0 GiB used, 25 % unattributed: 1.0 GiB free: 3.0 GiB ' +
        'unattributed 1.0 GiB free 3.0 GiB',
    );
    const widths = [...section.matchAll(/x="([\d.]+)" width="([\d.]+)"/g)].map(([, x, width]) => [x, width]);
    expect(widths.slice(0, 3)).toEqual([
      ['0.0', '500.0'],
      ['500.0', '200.0'],
      ['700.0', '300.0'],
    ]);
    expect(rowOf(text, 'qwen3-8b').slice(3, 6)).toEqual(['unknown', '5.0 GiB', '512.0 MiB']);
  });

  it('shows the memory of a router and of an orphan, the largest other processes, an APU and a lost GPU', async () => {
    const apu = { gpu: '1', uuid: 'a', name: 'Strix Halo', integrated: true };
    const reading = aReading({
      gpus: [
        {
          ...{ gpu: '0', uuid: 'GPU-1', name: 'RTX', pool: 'vram' },
          ...{ totalBytes: 10 * GB, usedBytes: 9 * GB, unownedBytes: 6 * GB },
        },
        { ...apu, pool: 'vram', totalBytes: 8 * GB, usedBytes: 8 * GB },
        { ...apu, pool: 'gtt', totalBytes: 120 * GB, usedBytes: 24 * GB },
      ],
      others: [{ uuid: 'GPU-1', pid: 646, name: 'python3', bytes: 5 * GB }],
      routers: [
        {
          ...{ router: 'gpu-box', residentBytes: GB / 4 },
          gpus: [{ uuid: 'GPU-1', pool: 'vram', bytes: GB }],
        },
      ],
      orphans: [
        { router: 'attic', model: 'qwen', pid: 7, gpus: [{ uuid: 'GPU-1', pool: 'vram', bytes: 2 * GB }] },
      ],
      cards: [{ collector: 'nvidia-smi', gpu: '2', uuid: 'GPU-2', name: 'A100', lost: 'GPU is lost' }],
    });
    const { text } = await thePage(undefined, { memory: { ...NO_MEMORY, reading: () => reading } });
    const [, section = ''] = text.split('<h2>GPU memory</h2>');
    const words = textOf(section.split('</section>')[0] ?? '').trim();
    expect(words).toMatch(/^GPU 2 A100 is lost: GPU is lost\./);
    expect(words).toContain('Orphan process 7 of qwen on attic holds 2.0 GiB of GPU memory: end it.');
    expect(words).toContain('router gpu-box 1.0 GiB orphan of qwen 2.0 GiB other processes 6.0 GiB');
    expect(words).toContain('Largest other processes: python3 (646) 5.0 GiB');
    expect(words).toContain('GPU 1 Strix Halo, shared with the system 32.0 GiB of 128.0 GiB used, 25 %');
    expect(textOf(text)).toContain('The server itself · GPU memory: 1.0 GiB · Resident: 256.0 MiB');
  });

  it('shows finished and refused operations, but no dry runs', async () => {
    const operations = operationsOf(
      anOperation({ outcome: 'dry_run', dry_run: true, reason: 'only looking' }),
      anOperation({
        ...{
          outcome: null,
          trigger: 'page',
          caller: { name: 'alice' },
          started_at: '2023-11-14T22:14:36.000Z',
        },
        routers: [
          { router: 'gpu-box', models: [{ model: 'qwen3-8b', result: null, detail: 'it is generating' }] },
        ],
      }),
      anOperation({
        ...{ outcome: 'refused', started_at: '2023-11-14T22:13:46.000Z' },
        routers: [
          {
            router: 'gpu-box',
            models: [],
            refused: { reason: 'cooldown', detail: 'the last unload was 9s ago' },
          },
        ],
      }),
      anOperation({
        ...{ reason: 'training', duration_seconds: 4.2, started_at: '2023-11-14T22:13:36.000Z' },
        routers: [
          {
            router: 'gpu-box',
            models: ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((model) => ({
              model,
              result: 'unloaded' as const,
            })),
            memory: { before_bytes: 9 * GB, after_bytes: GB, freed_bytes: 8 * GB },
          },
        ],
      }),
    );
    const { text } = await thePage(undefined, { operations });
    const [, section = ''] = text.split('<h2>Last operations</h2>');
    const rows = section
      .split('<tr ')
      .slice(2)
      .map((row) => textOf(`<${row.split('</tr>')[0]}`).trim());
    expect(rows).toEqual([
      '10s ago alice (page) in progress waiting for qwen3-8b',
      '1m ago alertmanager refused took 1s; gpu-box: the last unload was 9s ago',
      '1m ago alertmanager done unloaded a, b, c, d, e and 2 more ' +
        'training; took 4.2s; freed 8.0 GiB on gpu-box',
    ]);
  });

  it('shows who holds a router until when, and offers to release each hold', async () => {
    const observed = aBusyFleet();
    const holds = createHolds(observed.clock);
    const until = observed.clock.now() + 3_600_000;
    holds.place(aHoldRequest(until, { routers: ['attic'] }));
    holds.place(aHoldRequest(until, { routers: ['attic', 'gpu-box'], reason: '', enforce: true }));
    holds.place(
      aHoldRequest(until, { routers: ['attic'], unload: 'enough', needBytes: 2 ** 34, restore: true }),
    );
    const { text } = await supertest(createApp(appParts(observed, { holds }))).get('/?router=attic');
    expect(textOf(text)).toContain(
      'GPU memory is kept free until 23:15 UTC for training (requested by alice). Release ' +
        'GPU memory is kept free until 23:15 UTC (requested by alice). It also holds gpu-box. ' +
        'Models loaded during the hold are unloaded when they are idle. Release ' +
        'GPU memory is being freed (16.0 GiB on one GPU), then kept free until 23:15 UTC for training ' +
        '(requested by alice). Afterwards the models that it unloaded are loaded again. Release ',
    );
  });

  it('shows for ten minutes why a hold failed', async () => {
    const observed = aBusyFleet();
    const holds = createHolds(observed.clock);
    const { id } = holds.place(
      aHoldRequest(observed.clock.now() + 3_600_000, { routers: ['attic'], unload: 'all' }),
    );
    holds.finishPreparation(id, 'not all models could be unloaded: qwen: it is generating');
    const http = supertest(createApp(appParts(observed, { holds })));
    const failure =
      'A hold for training (requested by alice) failed 5m ago: not all models could be unloaded';
    observed.clock.jump(300_000);
    expect(textOf((await http.get('/')).text)).toContain(failure);
    observed.clock.jump(300_000);
    expect((await http.get('/')).text).not.toContain('A hold for training');
  });

  it('escapes all texts of routers', async () => {
    const evil = '"><script>alert(1)</script>';
    const observed = anEmptyFleet();
    const entry = addRouter(observed.store, evil, `http://r/${evil}`);
    entry.props({ build: evil });
    entry.listed({
      models: [
        {
          ...{ id: evil, aliases: [evil], status: 'loaded', failed: false },
          facts: { sizeBytes: 1, quantization: evil },
        },
        listed(HOSTILE_ID, 'loaded'),
      ],
      malformed: [evil],
    });
    const memory = aReading({
      gpus: [{ gpu: evil, uuid: evil, name: evil, pool: 'vram', totalBytes: 9, usedBytes: 9 }],
      models: [{ router: evil, model: evil, cpuSeconds: 1, gpus: [{ uuid: evil, pool: 'vram', bytes: 9 }] }],
    });
    const operations = operationsOf(
      anOperation({
        ...{ reason: evil, caller: { name: evil } },
        routers: [
          {
            router: evil,
            models: [{ model: evil, result: 'unloaded' }],
            fault: { kind: 'x', message: evil },
          },
        ],
      }),
    );
    const { text } = await thePage(observed, {
      version: evil,
      operations,
      memory: { ...NO_MEMORY, reading: () => memory },
    });
    expect(text).not.toContain('<script>');
    expect(text).not.toContain('<img');
    expect(text.match(/&#60;script&#62;/g)?.length).toBeGreaterThan(12);
    // The key of a row is its name, with any characters.
    const key = JSON.stringify([evil, HOSTILE_ID]).replace(/[&<>"']/g, (each) => `&#${each.charCodeAt(0)};`);
    expect(text.split(`data-key="${key}"`)).toHaveLength(2);
  });

  it('shows a router without models', async () => {
    const observed = anEmptyFleet();
    addRouter(observed.store, 'r', 'http://r');
    const { text } = await thePage(observed);
    expect(textOf(text)).toContain('r unknown');
    expect(text).toContain('No models are listed.');
    expect(text).not.toContain('<h2>GPU memory');
    expect(text).not.toContain('<h2>Last operations');
  });

  it('of 200 routers with 50 models each is an overview: small, quick, with a page for each router', async () => {
    const observed = anEmptyFleet();
    const models = Array.from({ length: 50 }, (_, i) => listed(`model-${i}`, i < 4 ? 'loaded' : 'unloaded'));
    for (let i = 0; i < 200; i += 1) {
      addRouter(observed.store, `router-${i}`, `http://router-${i}:8080`).listed(aListing(...models));
    }
    const parts = appParts(observed);
    renderPage(parts, '');
    let overview = '';
    const render = () => {
      overview = renderPage(parts, '');
    };
    // A few milliseconds; the margin is for a slow machine.
    expect(cpuMs(render)).toBeLessThan(60);
    expect(overview.length).toBeLessThan(300_000);
    expect(textOf(overview)).toContain('router-7 up 4 of 50 model-0 model-1 model-2 … Unload all');
    expect(overview).toContain('<a href="/?router=router-7">');
    const { status, text } = await supertest(createApp(parts)).get('/?router=router-7');
    expect([status, textOf(text).match(/model-\d+ (un)?loaded/g)?.length]).toEqual([200, 50]);
    expect(textOf(text)).not.toContain('router-8');
  });

  it('of one router with thousands of models shows the first 500, those in memory first', async () => {
    const observed = anEmptyFleet();
    const models = Array.from({ length: 3000 }, (_, i) =>
      listed(`model-${i}`, i === 2999 ? 'loaded' : 'unloaded'),
    );
    addRouter(observed.store, 'r', 'http://r').listed(aListing(...models));
    const { text } = await thePage(observed);
    expect(rowOf(text, 'model-2999')[1]).toBe('loaded');
    expect(textOf(text)).toContain('2500 more: see all models');
  });

  it('of an unknown router is a 404', async () => {
    const { status, text } = await supertest(createApp(appParts(aBusyFleet()))).get('/?router=nowhere');
    expect([status, JSON.parse(text).title]).toEqual([404, 'Unknown router']);
  });

  it('is answered by 304 while it is the same, and by the new one after a change', async () => {
    const observed = aBusyFleet();
    const app = supertest(createApp(appParts(observed)));
    const first = await app.get('/');
    const etag = String(first.headers.etag);
    const same = await app.get('/').set('If-None-Match', etag);
    expect([same.status, same.text, same.headers.etag]).toEqual([304, '', etag]);
    observed.clock.jump(250);
    driven(observed.store, 'attic').listed(aListing(listed('solo', 'unloaded')));
    const changed = await app.get('/').set('If-None-Match', etag);
    expect([changed.status, rowOf(changed.text, 'solo')[1]]).toEqual([200, 'unloaded']);
  });

  it('is rendered once for all readers, at most four times a second', async () => {
    const observed = aBusyFleet();
    let renderings = 0;
    const reading = () => {
      renderings += 1;
      return undefined;
    };
    const app = supertest(createApp(appParts(observed, { memory: { ...NO_MEMORY, reading } })));
    for (let i = 0; i < 20; i += 1) await app.get('/');
    expect(renderings).toBe(1);
    driven(observed.store, 'attic').listed(aListing(listed('solo', 'unloaded')));
    observed.clock.jump(250);
    const { text } = await app.get('/');
    expect([renderings, rowOf(text, 'solo')[1]]).toEqual([2, 'unloaded']);
  });

  it('is refreshed by its script only when a page from before the event is no longer reused', async () => {
    const { text } = await supertest(createApp(appParts(anEmptyFleet()))).get('/page.js');
    expect(Number(/SOON_MS = (\d+)/.exec(text)?.[1])).toBeGreaterThan(250);
  });
});

describe('the colours', () => {
  const TEXTS = ['ink', 'soft', 'green', 'blue', 'violet', 'amber', 'red', 'grey'];
  const [, light = '', dark = ''] = STYLE.split(':root {');

  it.each([
    ['light', light],
    ['dark', dark],
  ])('%s: text can be read on every ground, and bars be told from their track', (_, block) => {
    const colour = (name: string) => new RegExp(`--${name}: (#[0-9a-f]+);`).exec(block)?.[1] ?? '';
    for (const ground of ['card', 'ground', 'press']) {
      for (const name of TEXTS) {
        expect([ground, name, contrast(colour(name), colour(ground)) >= 7]).toEqual([ground, name, true]);
      }
    }
    for (const name of ['m0', 'm1', 'm2', 'm3', 'm4', 'm5', 'm6', 'm7']) {
      expect([name, contrast(colour(name), colour('card')) >= 3]).toEqual([name, true]);
    }
  });
});

/** As WCAG reckons it, 1 to 21. */
function contrast(one: string, other: string): number {
  const [dim = 0, bright = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (bright + 0.05) / (dim + 0.05);
}

function luminance(colour: string): number {
  const digits = colour.slice(1);
  const pairs = digits.length === 3 ? [...digits].map((digit) => digit + digit) : (digits.match(/../g) ?? []);
  const [r = 0, g = 0, b = 0] = pairs.map((pair) => {
    const share = Number.parseInt(pair, 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
