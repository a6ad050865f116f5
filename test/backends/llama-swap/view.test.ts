import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import {
  parseMessage,
  type StreamedModel,
  type SwapMessage,
} from '../../../src/backends/llama-swap/schemas.ts';
import { receive, type StreamView } from '../../../src/backends/llama-swap/view.ts';
import type { RouterEvent } from '../../../src/models/feed.ts';

const messagesIn = (name: string) =>
  readFileSync(join(import.meta.dirname, '..', '..', 'fixtures', 'llama-swap', `${name}.sse`), 'utf8')
    .split('\n\n')
    .filter((event) => event !== '')
    .map((event) => parseMessage(event.replace('event:message\ndata:', '')));

/** The events of a recording that began while the models were in these states, and the view at its end. */
function replay(name: string, states: Record<string, string> | undefined) {
  const messages = messagesIn(name);
  const models = messages.flatMap((message) => (message.kind === 'models' ? [message.models] : []))[0] ?? [];
  const view = states
    ? viewOf(models.map((model) => ({ ...model, state: states[model.id] ?? model.state })))
    : {};
  const replayed = viewAfter(view, ...messages);
  return { events: replayed.events.map(inShort), view: replayed.view };
}

/** `a loading begins`, `a unloaded clean`, `a 2`: an event in words. */
function inShort(event: RouterEvent): string {
  if (event.kind === 'work') return `${event.model} ${event.inFlight}`;
  if (event.kind !== 'status') return event.kind;
  const { model, status, begins, ending } = event;
  return [model, status, begins ? 'begins' : undefined, ending].filter((word) => word).join(' ');
}

describe('what a recorded stream means', () => {
  it.each<[string, Record<string, string>, string[]]>([
    ['events-load', { mid: 'stopped' }, ['mid 1', 'mid loading begins', 'mid loaded', 'mid 1', 'mid 0']],
    [
      'events-eviction-group',
      { 'tiny-a': 'ready', 'tiny-b': 'stopped' },
      [
        'tiny-b 1',
        'tiny-a unloading',
        'tiny-a unloaded clean',
        'tiny-b loading begins',
        'tiny-b loaded',
        'tiny-b 1',
        'tiny-b 0',
      ],
    ],
    ['events-unload-idle', { 'tiny-b': 'ready' }, ['tiny-b unloading', 'tiny-b unloaded clean']],
    [
      'events-unload-all',
      { mid: 'ready', 'tiny-a': 'ready', 'tiny-c': 'ready' },
      [
        ...['mid unloading', 'tiny-a unloading', 'tiny-c unloading'],
        ...['tiny-c unloaded clean', 'tiny-a unloaded clean', 'mid unloaded clean'],
      ],
    ],
    ['events-crash', { 'tiny-c': 'ready' }, ['tiny-c unloaded failed']],
    [
      'events-start-fails-program',
      { 'bad-cmd': 'stopped' },
      ['bad-cmd 1', 'bad-cmd loading begins', 'bad-cmd unloaded failed', 'bad-cmd 0'],
    ],
    [
      'events-start-fails-file',
      { 'bad-file': 'stopped' },
      ['bad-file 1', 'bad-file loading begins', 'bad-file unloaded failed', 'bad-file 0'],
    ],
    [
      'events-unload-starting',
      { 'never-ready': 'stopped' },
      ['never-ready 1', 'never-ready loading begins', 'never-ready 0', 'never-ready unloaded failed'],
    ],
  ])('%s', (name, states, wanted) => {
    expect(replay(name, states).events).toEqual(wanted);
  });

  it('an end in one message with the start that it made room for comes first', () => {
    const { events } = replay('events-eviction-default-group', { 'tiny-c': 'stopped' });
    expect(events.slice(-5)).toEqual([
      'tiny-c unloading',
      'tiny-c unloaded clean',
      'tiny-a loading begins',
      'tiny-a loaded',
      'tiny-a 0',
    ]);
  });

  it('two models that make room for one end before it starts', () => {
    const { events } = replay('events-eviction-matrix', { 'tiny-a': 'starting', mid: 'stopped' });
    expect(events.slice(-7)).toEqual([
      'mid unloading',
      'tiny-b unloading',
      'tiny-b unloaded clean',
      'mid unloaded clean',
      'tiny-c loading begins',
      'tiny-c loaded',
      'tiny-c 0',
    ]);
  });

  it('a model that reaches its ttl ends like one that was unloaded', () => {
    const { events } = replay('events-ttl', { 'tiny-c': 'stopping', 'tiny-ttl': 'stopped' });
    expect(events.filter((event) => event.startsWith('tiny-ttl'))).toEqual([
      'tiny-ttl 1',
      'tiny-ttl loading begins',
      'tiny-ttl loaded',
      'tiny-ttl 1',
      'tiny-ttl 0',
      'tiny-ttl unloading',
      'tiny-ttl unloaded clean',
    ]);
  });

  it('a busy model keeps its requests while it is stopped', () => {
    const { events, view } = replay('events-unload-busy', { mid: 'ready' });
    expect(events.filter((event) => event.startsWith('mid'))).toEqual([
      'mid unloading',
      'mid 1',
      'mid unloaded clean',
      'mid 0',
    ]);
    expect(view.inFlight?.get('mid')).toBe(0);
  });
});

describe('a new stream', () => {
  it('shows the models without events: they were like that before', () => {
    const { events, view } = replay('events-connected-idle', undefined);
    expect(events).toEqual([]);
    expect(view.models?.map(({ id }) => id)).toEqual([
      ...['bad-cmd', 'bad-file', 'hidden', 'limited', 'mid', 'never-ready', 'org/model "8B" x:Q5 näme'],
      ...['stubborn', 'tiny-a', 'tiny-b', 'tiny-c', 'tiny-ttl'],
    ]);
    expect(view.models?.find(({ id }) => id === 'hidden')?.unlisted).toBe(true);
    expect(view.inFlight?.get('mid')).toBe(0);
  });

  it('shows the work of every model without events: since when they work is unknown', () => {
    const { events, view } = replay('events-connected-busy', undefined);
    expect(events).toEqual([]);
    expect([view.inFlight?.get('mid'), view.inFlight?.get('tiny-a')]).toEqual([1, 0]);
  });

  it('after a reload sends the same list many times, which means nothing', () => {
    const { events } = replay('events-connected-after-reload', undefined);
    expect(events).toEqual(['mid 1', 'mid 0']);
  });

  it('knows no work before the first list of requests', () => {
    const models = viewAfter({}, aList({ a: 'ready' })).view;
    const early = viewAfter(models, aRequest('1', 'a'));
    expect(early).toEqual({ view: models, events: [] });
  });
});

describe('two lists of models', () => {
  it.each<[string, string, string[]]>([
    ['stopped', 'starting', ['a loading begins']],
    ['stopped', 'ready', ['a loaded', 'a 0']],
    ['starting', 'ready', ['a loaded', 'a 0']],
    ['starting', 'stopping', ['a unloading']],
    ['starting', 'stopped', ['a unloaded failed']],
    ['ready', 'stopping', ['a unloading']],
    ['ready', 'stopped', ['a unloaded failed']],
    ['ready', 'starting', ['a unloaded unseen', 'a loading begins']],
    ['stopping', 'stopped', ['a unloaded clean']],
    ['stopping', 'starting', ['a unloaded clean', 'a loading begins']],
    ['stopping', 'ready', ['a unloaded clean', 'a loaded', 'a 0']],
    ['stopped', 'stopping', ['a unloading']],
    ['ready', 'paused', ['a other']],
    ['paused', 'stopped', ['a unloaded unseen']],
    ['ready', 'toString', ['a other']],
    ['ready', 'ready', []],
  ])('from %s to %s', (from, to, wanted) => {
    const { events } = viewAfter(viewOf(statesOf({ a: from })), aList({ a: to }));
    expect(events.map(inShort)).toEqual(wanted);
  });

  it.each<[string, Record<string, string>, Record<string, string>]>([
    ['a model appears', { a: 'ready' }, { a: 'ready', b: 'ready' }],
    ['a model vanishes', { a: 'ready', b: 'ready' }, { a: 'ready' }],
    ['one replaces the other', { a: 'ready' }, { b: 'ready' }],
  ])('%s: another listing is due', (_, before, after) => {
    const { events } = viewAfter(viewOf(statesOf(before)), aList(after));
    expect(events).toEqual([{ name: 'modelStatus', kind: 'list_changed' }]);
  });
});

describe('requests under way', () => {
  const quiet = viewOf(statesOf({ a: 'ready', b: 'stopped' }));

  it('are those of a model under its id and its aliases', () => {
    const { view, events } = viewAfter(
      quiet,
      aRequest('1', 'a'),
      aRequest('2', 'alias-of-a'),
      aRequest('3', 'b'),
    );
    expect(events.map(inShort)).toEqual(['a 1', 'a 2', 'b 1']);
    expect(view.inFlight).toEqual(
      new Map([
        ['a', 2],
        ['b', 1],
      ]),
    );
  });

  it('of a peer are those of no model', () => {
    const { view, events } = viewAfter(quiet, aRequest('1', 'far/model'));
    expect(events).toEqual([]);
    expect(view.inFlight).toEqual(
      new Map([
        ['a', 0],
        ['b', 0],
      ]),
    );
  });

  it('count once, however often they are announced', () => {
    const { events } = viewAfter(
      quiet,
      aRequest('1', 'a'),
      aRequest('1', 'a'),
      { kind: 'requests', change: { operation: 'remove', id: '1' } },
      { kind: 'requests', change: { operation: 'remove', id: '1' } },
    );
    expect(events.map(inShort)).toEqual(['a 1', 'a 0']);
  });

  it('are replaced by a new list', () => {
    const all = [{ id: '7', model: 'b' }];
    const { view, events } = viewAfter(quiet, aRequest('1', 'a'), {
      kind: 'requests',
      change: { operation: 'snapshot', requests: all },
    });
    expect(events.map(inShort)).toEqual(['a 1', 'a 0', 'b 1']);
    expect(view.inFlight).toEqual(
      new Map([
        ['a', 0],
        ['b', 1],
      ]),
    );
  });
});

/** What a connected stream has shown: these models, and no requests. */
function viewOf(models: StreamedModel[]): StreamView {
  const none = { kind: 'requests', change: { operation: 'snapshot', requests: [] } } satisfies SwapMessage;
  return viewAfter({}, { kind: 'models', models }, none).view;
}

function viewAfter(before: StreamView, ...messages: SwapMessage[]) {
  let view = before;
  const events: RouterEvent[] = [];
  for (const message of messages) {
    const step = receive(view, message);
    view = step.view;
    events.push(...step.events);
  }
  return { view, events };
}

function statesOf(states: Record<string, string>): StreamedModel[] {
  return Object.entries(states).map(([id, state]) => ({
    id,
    state,
    aliases: [`alias-of-${id}`],
    unlisted: false,
  }));
}

function aList(states: Record<string, string>): SwapMessage {
  return { kind: 'models', models: statesOf(states) };
}

function aRequest(id: string, model: string): SwapMessage {
  return { kind: 'requests', change: { operation: 'upsert', request: { id, model } } };
}
