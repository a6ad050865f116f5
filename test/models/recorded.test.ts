import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { parseEvent } from '../../src/backends/llama-server/schemas.ts';
import type { ListedModel, RouterEvent, Status } from '../../src/models/feed.ts';
import { createStore } from '../../src/models/store.ts';
import { aListing, inWords, listed } from '../support/a-model.ts';
import { addRouter } from '../support/driven-router.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

const RECORDED = join(import.meta.dirname, '../fixtures/router');

interface Recording {
  /** The models when the recording began. */
  before: ListedModel[];
  /** The model whose unload was requested, and its status then. */
  asked?: [model: string, status: Status];
  transitions: string[];
}

const atRest = (...ids: string[]) => ids.map((id) => listed(id, 'unloaded', { instance: 0 }));

/** Replayed with 100 ms between events and `--models-max 2`. */
const recordings: Record<string, Recording> = {
  'sse-load.sse': {
    before: atRest('tiny-a'),
    transitions: ['tiny-a unloaded → loading', 'tiny-a loading → loaded', 'tiny-a loaded in 0.3 s'],
  },
  'sse-load-failed.sse': {
    before: atRest('broken'),
    transitions: ['broken unloaded → loading', 'broken loading → unloaded', 'broken failed to load'],
  },
  'sse-unload-idle.sse': {
    before: [listed('tiny-a', 'loaded')],
    transitions: ['tiny-a loaded → unloaded', 'tiny-a external while loaded'],
  },
  'sse-unload-while-loading.sse': {
    before: atRest('mid'),
    asked: ['mid', 'loading'],
    transitions: ['mid unloaded → loading', 'mid loading → unloaded', 'mid requested while loading'],
  },
  'sse-unload-busy-forced.sse': {
    before: atRest('mid'),
    asked: ['mid', 'loaded'],
    transitions: [
      'mid unloaded → loading',
      'mid loading → loaded',
      'mid loaded in 0.4 s',
      'mid loaded → unloaded',
      'mid requested by force while loaded',
    ],
  },
  'sse-crash.sse': {
    before: atRest('tiny-a'),
    transitions: [
      'tiny-a unloaded → loading',
      'tiny-a loading → loaded',
      'tiny-a loaded in 0.3 s',
      'tiny-a loaded → unloaded',
      'tiny-a crashed while loaded',
    ],
  },
  'sse-evict-lru.sse': {
    before: atRest('tiny-a', 'tiny-b', 'tiny-c'),
    transitions: [
      'tiny-a unloaded → loading',
      'tiny-a loading → loaded',
      'tiny-a loaded in 0.3 s',
      'tiny-b unloaded → loading',
      'tiny-b loading → loaded',
      'tiny-b loaded in 0.3 s',
      'tiny-a loaded → unloaded',
      'tiny-a evicted while loaded',
      'tiny-c unloaded → loading',
      'tiny-c loading → loaded',
      'tiny-c loaded in 0.3 s',
    ],
  },
  'sse-sleep-and-wake.sse': {
    before: [listed('tiny-b', 'loaded'), listed('tiny-c', 'loaded')],
    transitions: [
      'tiny-b loaded → sleeping',
      'tiny-b slept',
      'tiny-c loaded → sleeping',
      'tiny-c slept',
      'tiny-c sleeping → loading',
      'tiny-c loading → loaded',
      'tiny-c woke',
    ],
  },
  'sse-reload-list.sse': { before: atRest('tiny-a'), transitions: [] },
  'sse-router-killed.sse': { before: [listed('tiny-a', 'loaded')], transitions: [] },
};

it('every recording of the real router is here', () => {
  const files = readdirSync(RECORDED).filter((name) => name.endsWith('.sse'));
  expect(files.sort()).toEqual(Object.keys(recordings).sort());
});

it.each(Object.entries(recordings))(
  '%s leads to exactly these transitions',
  (file, { before, asked, transitions }) => {
    const clock = createSteppedClock();
    const store = createStore(clock, { reloadWindowMs: 0 });
    const entry = addRouter(store, 'router', 'http://router');
    entry.props({ modelsMax: 2 });
    entry.listed(aListing(...before));
    const told: string[] = [];
    store.onTransition((transition) => {
      if (transition.kind === 'model') told.push(`${transition.model} ${inWords(transition.change)}`);
    });
    for (const event of eventsOf(file)) {
      entry.event(event);
      clock.jump(100);
      if (asked && entry.state.models.get(asked[0])?.lifecycle.status === asked[1])
        entry.markUnloadPending(asked[0]);
    }
    clock.jump(1000);
    expect(told).toEqual(transitions);
  },
);

function eventsOf(file: string): RouterEvent[] {
  const text = readFileSync(join(RECORDED, file), 'utf8');
  return text.split('\n').flatMap((line) => (line.startsWith('data: ') ? [parseEvent(line.slice(6))] : []));
}
