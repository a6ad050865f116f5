import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import type { Operation } from '../../src/unload/report.ts';
import { NO_MEMORY } from '../support/app-parts.ts';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';
import { createSwapClient, type SwapClient } from './swap-client.ts';
import type { SwapStartOptions, SwapUnderTest } from './swap-under-test.ts';

/** A llama-swap with the models of `STORY`. */
export interface StorySwap extends SwapUnderTest {
  readonly port: number;
  /** SIGTERM of a model's process, as by an operator. */
  terminate(model: string): Promise<void>;
  /** Ends it with all models, and starts it again. */
  restart(): Promise<void>;
}

export type StartStorySwap = (options?: SwapStartOptions) => Promise<StorySwap>;

export interface StoryPace {
  /** How long a second of its clock lasts. */
  readonly secondsMs: number;
  /** What things may take longer than they should. */
  readonly slackSeconds: number;
  /** Of `mid`. */
  readonly tokensPerSecond: number;
  /** The exporter's. Default: the system's. */
  readonly clock?: Clock | undefined;
  /** Its processes are on this machine. */
  readonly hasMemory: boolean;
}

const TTL_SECONDS = 5;
const UNLOAD_TIMEOUT_SECONDS = 2;

/** `one` and `two` are in no group: they evict each other and everything else. `mid` is slow, `endless` never starts. */
export const STORY = {
  models: ['a', 'b', 'big', 'broken', 'endless', 'expires', 'mid', 'one', 'two'].map((id) => ({
    id,
    ttlSeconds: id === 'expires' ? TTL_SECONDS : 0,
    unloadTimeoutSeconds: UNLOAD_TIMEOUT_SECONDS,
  })),
  groups: {
    big: { members: ['big'], exclusive: true },
    several: { members: ['a', 'b', 'broken', 'endless', 'expires', 'mid'], swap: false, exclusive: false },
  },
};

/** Longer than any test lasts. */
const ENDLESS = 1_000_000;

/** What the exporter shows of a llama-swap: every counter and reason, step by step, and unloads with the clients' view. */
export function describeSwapStory(name: string, start: StartStorySwap, pace: StoryPace): void {
  describe(`the exporter with ${name}`, () => {
    let swap: StorySwap;
    let proxy: TcpProxy;
    let exporter: RunningExporter;
    let client: SwapClient;

    /** The expected counters of models that are not 0. */
    const truth = new Map<string, number>();
    /** By model: the reason of its last unload, if it was not loaded again. */
    const lastUnload = new Map<string, string>();

    function happened(what: string): void {
      truth.set(what, (truth.get(what) ?? 0) + 1);
    }

    function loaded(...models: string[]): void {
      for (const model of models) {
        happened(`loads ${model}`);
        const reason = lastUnload.get(model);
        if (reason) happened(`reloads_after_unload ${model} ${reason} unknown`);
        lastUnload.delete(model);
      }
    }

    function unloaded(reason: string, ...models: string[]): void {
      for (const model of models) {
        happened(`unloads ${model} ${reason}`);
        lastUnload.set(model, reason);
      }
    }

    const seconds = (count: number) => sleep(count * pace.secondsMs);

    /** Every counter that is not 0 equals the truth: none missing, none more. */
    async function agrees(): Promise<void> {
      const wanted = Object.fromEntries([...truth].sort());
      const counted = async () => modelCounters(await exporter.scrape());
      await until('the counters to agree', async () => isDeepStrictEqual(await counted(), wanted), {
        timeoutMs: 10_000,
      }).catch(() => {});
      // A count that comes too late or twice would show now.
      await seconds(0.4);
      const found = await counted();
      // A wrong count fails one step only.
      truth.clear();
      for (const [counter, value] of Object.entries(found)) truth.set(counter, value);
      expect(found).toEqual(wanted);
    }

    const statusIs = (model: string, status: string) =>
      exporter.untilValue('llama_router_model_status', { model, status }, 1);

    /** Has a client load these, one after the other. */
    async function load(...models: string[]): Promise<void> {
      for (const model of models) {
        expect((await client.complete(model)).status).toBe(200);
        await statusIs(model, 'loaded');
        await exporter.untilValue('llama_router_model_busy', { model }, 0);
      }
    }

    /** Starts a request and resolves when it is under way and the exporter shows it; `reply` is its end. */
    async function occupy(model: string, { tokens = ENDLESS, stream = true } = {}) {
      const reply = client.complete(model, tokens, stream);
      reply.catch(() => {});
      await statusIs(model, 'loaded');
      await client.untilGenerating(model);
      await exporter.untilValue('llama_router_model_busy', { model }, 1);
      return { reply };
    }

    async function unload(body: object): Promise<{ operation: Operation; ordered: string[] }> {
      const before = proxy.requests.length;
      const answer = await fetch(`${exporter.url}/api/v1/unload-all`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ wait: 60, ...body }),
      });
      const operation = (await answer.json()) as Operation;
      expect(operation.outcome).not.toBeNull();
      return { operation, ordered: proxy.requests.slice(before) };
    }

    beforeAll(async () => {
      swap = await start();
      proxy = await startTcpProxy(swap.port);
      client = createSwapClient(swap, 60);
      await client.complete('a');
      exporter = await until('an exporter that starts before the model expires', async () => {
        await client.complete('expires');
        const started = await startExporter(
          [`http://127.0.0.1:${proxy.port}`],
          { 'engine.interval': '1s', 'follow.reconnect-max': '1s' },
          {},
          { clock: pace.clock ?? systemClock, memory: pace.hasMemory ? undefined : NO_MEMORY },
        );
        const labels = { model: 'expires', status: 'loaded' };
        if ((await started.value('llama_router_model_status', labels)) === 1) return started;
        await started.stop();
        return undefined;
      });
    });

    afterAll(async () => {
      await exporter?.stop();
      await proxy?.close();
      await swap?.stop();
    });

    it('names its kind', async () => {
      await exporter.untilValue('llama_router_info', { kind: 'llama-swap' }, 1);
    });

    it('counts nothing for a model that is loaded at first sight, and does not know why it expires', async () => {
      await statusIs('a', 'loaded');
      expect(await exporter.value('llama_router_model_busy', { model: 'a' })).toBe(0);
      await statusIs('expires', 'unloaded');
      // Since when it was idle is unknown.
      unloaded('unknown', 'expires');
      await agrees();
    });

    it('counts a load and how long it took', async () => {
      await load('b');
      loaded('b');
      await agrees();
      expect(await exporter.value('llama_router_model_load_duration_seconds_count', { model: 'b' })).toBe(1);
    });

    it('counts an unload by another client as external, and the load after it as a reload', async () => {
      await client.unload('b');
      unloaded('external', 'b');
      await agrees();
      await load('b');
      loaded('b');
      await agrees();
    });

    it('counts a model that was idle for its ttl as expired, on time although it is scraped and read', async () => {
      await load('expires');
      loaded('expires');
      const usedAt = performance.now();
      let scrapes = 0;
      let readings = 0;
      while (
        (await exporter.value('llama_router_model_status', { model: 'expires', status: 'unloaded' })) === 0
      ) {
        const text = await exporter.scrape();
        scrapes += 1;
        if (/^llamacpp:tokens_predicted_total\{.*model="expires"/m.test(text)) readings += 1;
        expect(text).not.toContain('llamaswap_');
        await seconds(0.2);
      }
      const after = (performance.now() - usedAt) / pace.secondsMs;
      unloaded('expired', 'expires');
      await agrees();
      expect([scrapes > 2, readings > 0]).toEqual([true, true]);
      // It looks once a second.
      expect(after).toBeLessThan(TTL_SECONDS + 1 + pace.slackSeconds);
    });

    it('counts evictions by an exclusive group, of several models at once and of one', async () => {
      await load('one');
      loaded('one');
      unloaded('evicted', 'a', 'b');
      await agrees();
      await load('two');
      loaded('two');
      unloaded('evicted', 'one');
      await agrees();
      await load('big');
      loaded('big');
      unloaded('evicted', 'two');
      await agrees();
      await load('a', 'b');
      loaded('a', 'b');
      await agrees();
    });

    it('counts a process that ends by itself as crashed, also one that an operator ends with SIGTERM', async () => {
      await swap.crash('a');
      unloaded('crashed', 'a');
      await agrees();
      await load('a');
      loaded('a');
      await swap.terminate('a');
      unloaded('crashed', 'a');
      await agrees();
      expect(await exporter.value('llama_router_model_load_failed', { model: 'a' })).toBe(0);
    });

    it('counts a load that fails', async () => {
      expect((await client.complete('broken')).status).toBe(500);
      happened('load_failures broken');
      await agrees();
      expect(await exporter.value('llama_router_model_load_failed', { model: 'broken' })).toBe(1);
    });

    it('counts our unload of a starting model as requested, that of another client as a failed load', async () => {
      const waiting = client.complete('endless');
      await statusIs('endless', 'loading');
      const { operation } = await unload({ models: ['endless'], when_busy: 'force' });
      expect(resultsOf(operation)).toEqual(['endless unloaded']);
      expect((await waiting).status).toBe(500);
      unloaded('requested', 'endless');
      await agrees();
      const other = client.complete('endless');
      await statusIs('endless', 'loading');
      await client.unload('endless');
      expect((await other).status).toBe(500);
      happened('load_failures endless');
      await agrees();
    });

    it('counts an unload and a load when a request waits behind the unload', async () => {
      // With a stream under way it may end at once.
      const { reply } = await occupy('mid', { stream: false });
      loaded('mid');
      await agrees();
      const ordered = client.unload('mid');
      await statusIs('mid', 'unloading');
      const next = client.complete('mid');
      await ordered;
      expect([(await reply).status, (await next).status]).toEqual([502, 200]);
      unloaded('external', 'mid');
      loaded('mid');
      await agrees();
    });

    it('counts what happened while nothing came through, except what cannot be known', async () => {
      await statusIs('mid', 'loaded');
      proxy.cut();
      await exporter.untilValue('llama_router_up', {}, 0);
      expect(await exporter.value('llama_router_model_status', { model: 'mid' })).toBeUndefined();
      await client.unload('mid');
      await client.complete('expires');
      // Its next process has the same port.
      await client.unload('b');
      await client.complete('b');
      proxy.mend();
      unloaded('unknown', 'mid');
      loaded('expires');
      await agrees();
      unloaded('unknown', 'expires');
      await statusIs('expires', 'unloaded');
      await agrees();
    });

    it('does not know why models end when llama-swap reads its configuration again', async () => {
      await load('a');
      loaded('a');
      await agrees();
      await swap.reload();
      unloaded('unknown', 'a', 'b', 'big');
      await agrees();
      await load('a');
      loaded('a');
      await agrees();
    });

    it('does not know why models end when llama-swap is started again', async () => {
      await swap.restart();
      unloaded('unknown', 'a');
      await agrees();
    });

    it('counts the models of a killed llama-swap as unloaded once, and a start that their processes prevent as failed', async () => {
      await load('a', 'b');
      loaded('a', 'b');
      await agrees();
      await swap.kill();
      await exporter.untilValue('llama_router_up', {}, 0);
      await swap.start();
      await exporter.untilValue('llama_router_up', {}, 1);
      unloaded('unknown', 'a', 'b');
      await agrees();
      expect((await client.complete('a')).status).toBe(500);
      happened('load_failures a');
      await agrees();
      await swap.restart();
      await agrees();
    });

    describe('unload-all', () => {
      it('unloads idle models one after the other, and looks whether they are gone', async () => {
        await load('a', 'b', 'mid');
        loaded('a', 'b', 'mid');
        const { operation, ordered } = await unload({});
        expect(resultsOf(operation)).toEqual(['a unloaded', 'b unloaded', 'mid unloaded']);
        expect(ordered.filter((line) => line.startsWith('POST'))).toEqual([
          ORDER('a'),
          ORDER('b'),
          ORDER('mid'),
        ]);
        expect(ordered.lastIndexOf('GET /running')).toBeGreaterThan(ordered.indexOf(ORDER('mid')));
        expect(await client.running()).toEqual([]);
        unloaded('requested', 'a', 'b', 'mid');
        await agrees();
      });

      it('skips a busy model: its client gets the whole answer', async () => {
        await load('a');
        const { reply } = await occupy('mid', { tokens: pace.tokensPerSecond * 4 });
        loaded('a', 'mid');
        const { operation } = await unload({ when_busy: 'skip' });
        expect(resultsOf(operation)).toEqual(['a unloaded', 'mid busy']);
        expect((await reply).text).toMatch(COMPLETE);
        unloaded('requested', 'a');
        await agrees();
      });

      it('waits for a busy model: its client gets the whole answer', async () => {
        const { reply } = await occupy('mid', { tokens: pace.tokensPerSecond * 4 });
        await load('a');
        loaded('a');
        let isComplete = false;
        const answered = reply.then((answer) => {
          isComplete = true;
          return answer;
        });
        const { operation, ordered } = await unload({});
        expect(isComplete).toBe(true);
        expect((await answered).text).toMatch(COMPLETE);
        expect(resultsOf(operation)).toEqual(['a unloaded', 'mid unloaded']);
        expect(ordered.filter((line) => line.startsWith('POST'))).toEqual([ORDER('a'), ORDER('mid')]);
        unloaded('requested', 'a', 'mid');
        await agrees();
      });

      it('unloads by force idle models first, and then the busy one, whose client is cut off', async () => {
        await load('b');
        const { reply } = await occupy('a');
        await load('mid');
        loaded('a', 'b', 'mid');
        const { operation, ordered } = await unload({ when_busy: 'force' });
        expect(resultsOf(operation)).toEqual(['b unloaded', 'mid unloaded', 'a unloaded']);
        expect(ordered.filter((line) => line.startsWith('POST'))).toEqual([
          ORDER('b'),
          ORDER('mid'),
          ORDER('a'),
        ]);
        const { status, text } = await reply;
        expect([status, /^data: \{/.test(text), COMPLETE.test(text)]).toEqual([200, true, false]);
        unloaded('requested', 'a', 'b', 'mid');
        await agrees();
      });

      it('says when a process has not ended within the deadline, and still counts its end as requested', async () => {
        const { reply } = await occupy('mid', { stream: false });
        loaded('mid');
        const { operation } = await unload({ when_busy: 'force', timeout_seconds: 0.5 });
        expect(resultsOf(operation)).toEqual(['mid timeout']);
        await reply;
        await statusIs('mid', 'unloaded');
        unloaded('requested', 'mid');
        await agrees();
      });
    });

    if (pace.hasMemory) {
      it('measures the process of a model, and names it when it has outlived its llama-swap', async () => {
        const direct = await startExporter([swap.url], { 'memory.interval': '1s' });
        try {
          await load('b');
          const memory = () => direct.value('llama_router_model_resident_memory_bytes', { model: 'b' });
          await until('its memory', async () => ((await memory()) ?? 0) > 1e6);
          await swap.kill();
          await swap.start();
          await direct.untilValue('llama_router_orphan_processes', {}, 1);
          await swap.restart();
          await direct.untilValue('llama_router_orphan_processes', {}, 0);
        } finally {
          await direct.stop();
        }
      });
    }

    it('sends no request that llama-swap passes on, or that acts, but its unload orders', () => {
      // The router's paths show that it is none.
      const reads = /^GET \/(api\/events|api\/version|running|v1\/models|models|models\/sse)$/;
      const acts = proxy.requests.filter((line) => !reads.test(line));
      expect([...new Set(acts)].sort()).toEqual(['a', 'b', 'endless', 'mid'].map(ORDER));
    });
  });
}

/** The whole answer of a streaming client. */
const COMPLETE = /^data: \{.*\n\ndata: \[DONE]\n\n$/s;

const ORDER = (model: string) => `POST /api/models/unload/${model}`;

function resultsOf({ routers }: Operation): string[] {
  return routers.flatMap(({ models }) => models.map(({ model, result }) => `${model} ${result}`));
}

const COUNTER =
  /^llama_router_model_(loads|load_failures|unloads|reloads_after_unload|forced_stops|sleeps|wakes)_total\{router="[^"]*",model="([^"]*)"(?:,\w+="([^"]*)")?(?:,\w+="([^"]*)")?\} (\d+)$/gm;

/** The counters of models that are not 0, as `unloads a evicted`. */
function modelCounters(scrape: string): Record<string, number> {
  const counters = [...scrape.matchAll(COUNTER)].flatMap(([, what, model, ...rest]) => {
    const value = Number(rest.pop());
    const name = [what, model, ...rest].filter((part) => part !== undefined).join(' ');
    return value === 0 ? [] : [[name, value] as const];
  });
  return Object.fromEntries(counters.sort());
}
