import { inspect } from 'node:util';
import { expect, it } from '@jest/globals';
import { revealingJson, Secret } from '../../src/lib/secret.ts';

const secret = new Secret('sk-1');

it('reveals itself only when asked', () => {
  expect(secret.reveal()).toBe('sk-1');
});

it.each([
  ['a template', () => `${secret}`],
  ['String()', () => String(secret)],
  ['inspect', () => inspect({ secret }, { showHidden: true, depth: 9 })],
  ['JSON', () => JSON.stringify({ secret })],
  ['its entries', () => JSON.stringify(Object.entries(secret))],
  ['a spread', () => JSON.stringify({ ...secret })],
])('is hidden from %s', (_, print) => {
  expect(print()).not.toContain('sk-1');
});

it('makes a difference to what is compared', () => {
  const text = (key: string) => revealingJson({ list: [{ key: new Secret(key) }], other: 1 });
  expect(text('sk-1')).toBe(text('sk-1'));
  expect(text('sk-1')).not.toBe(text('sk-2'));
});

it('cannot be changed', () => {
  expect(Object.isFrozen(secret)).toBe(true);
});
