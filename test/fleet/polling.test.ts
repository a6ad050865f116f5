import { expect, it } from '@jest/globals';
import { type PolledRouter, pollingPause } from '../../src/fleet/polling.ts';
import type { Lifecycle } from '../../src/models/router-state.ts';
import { aModel } from '../support/a-model.ts';

const NOW = 10_000_000;
const SECOND = 1000;
const MINUTE = 60 * SECOND;

const router = (lifecycle: Partial<Lifecycle> = {}, more: Partial<PolledRouter> = {}): PolledRouter => ({
  models: [aModel({ id: 'at rest' }), aModel(lifecycle)],
  ...more,
});

it.each<[string, PolledRouter, number]>([
  ['has no models', { models: [] }, 2000],
  ['is quiet', router({ status: 'loaded' }), 2000],
  ['loads a model', router({ status: 'loading', since: NOW - 9 * MINUTE }), 500],
  ['has loaded a model for too long', router({ status: 'loading', since: NOW - 10 * MINUTE }), 2000],
  [
    'was already loading a model when it was first seen',
    { models: [{ ...aModel({ status: 'loading' }), firstSeenAt: NOW - SECOND }] },
    500,
  ],
  ['is unloading a model on request', router({ status: 'loaded', unloadRequestedAt: NOW - SECOND }), 500],
  ['has just loaded a model', router({ status: 'loaded', since: NOW - 59 * SECOND }), 500],
  ['has just unloaded a model', router({ status: 'unloaded', since: NOW }), 500],
  ['loaded its last model a minute ago', router({ status: 'loaded', since: NOW - MINUTE }), 2000],
  ['was just listed for an operation', router({}, { refreshedAt: NOW - 59 * SECOND }), 500],
  ['was listed for an operation a minute ago', router({}, { refreshedAt: NOW - MINUTE }), 2000],
  ['has downloaded a model for long', router({ status: 'downloading', since: NOW - 2 * MINUTE }), 2000],
])('a router that %s', (_, polled, pause) => {
  expect(pollingPause(polled, NOW, 2000)).toBe(pause);
});

it.each([
  [60_000, 15_000],
  [2000, 500],
  [500, 200],
  [200, 200],
])('an interval of %i ms is a pause of %i ms while something happens', (interval, pause) => {
  expect(pollingPause(router({ status: 'loading', since: NOW }), NOW, interval)).toBe(pause);
});
