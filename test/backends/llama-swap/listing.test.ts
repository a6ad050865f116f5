import { expect, it } from '@jest/globals';
import { listingOf } from '../../../src/backends/llama-swap/listing.ts';
import type { RunningModel } from '../../../src/backends/llama-swap/schemas.ts';

const COMMAND = 'llama-server --port 5801 -m b.gguf';
const running: RunningModel[] = [
  { id: 'b', state: 'ready', command: COMMAND, proxy: 'http://localhost:5801', ttlSeconds: 600 },
  { id: 'hidden', state: 'stopping' },
];
const seen = new Map(running.map((model) => [model.id, model]));
const nothing = { failed: false, facts: {} };

it('joins the models with those that run; a running one that is not listed is a model too', () => {
  const models = [
    { id: 'a', aliases: ['x'], contextTokens: 2048 },
    { id: 'b', aliases: [] },
  ];
  const inFlight = new Map([
    ['a', 0],
    ['b', 2],
  ]);
  expect(listingOf(models, running, seen, inFlight)).toEqual({
    models: [
      {
        ...nothing,
        id: 'a',
        aliases: ['x'],
        status: 'unloaded',
        inFlight: 0,
        facts: { contextTokens: 2048 },
      },
      {
        ...nothing,
        id: 'b',
        aliases: [],
        status: 'loaded',
        inFlight: 2,
        ttlSeconds: 600,
        sleepIdleSeconds: 0,
        process: { command: COMMAND, port: 5801 },
      },
      { ...nothing, id: 'hidden', aliases: [], status: 'unloading' },
    ],
    malformed: [],
  });
});

it('keeps the command and port of a model that has stopped', () => {
  const [model] = listingOf([{ id: 'b', aliases: [] }], [], seen, undefined).models;
  expect(model).toMatchObject({
    status: 'unloaded',
    ttlSeconds: 600,
    process: { command: COMMAND, port: 5801 },
  });
});

it.each<[string, number]>([
  ['llama-server -m a.gguf', 0],
  ['llama-server --sleep-idle-seconds 60', 60],
  ['llama-server --sleep-idle-seconds=60 -m a', 60],
  ['llama-server --sleep-idle-seconds "60"', 60],
  ['llama-server \\\n  --sleep_idle_seconds   60', 60],
  ['llama-server --sleep-idle-seconds 60 --sleep-idle-seconds -1', 0],
  ["bash -c 'exec llama-server --sleep-idle-seconds 5'", 5],
])('%j falls asleep after %d s', (command, seconds) => {
  const ready = { id: 'a', state: 'ready', command };
  const [model] = listingOf([], [ready], new Map([['a', ready]]), undefined).models;
  expect(model?.sleepIdleSeconds).toBe(seconds);
  expect(model?.inFlight).toBeUndefined();
});
