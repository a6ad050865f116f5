import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { matchesGlob } from '../../src/lib/glob.ts';
import { cpuMs } from '../support/cpu-time.ts';

describe('a pattern', () => {
  it.each([
    ['qwen3-8b', 'qwen3-8b'],
    ['*', ''],
    ['*', 'ggml-org/Qwen3-8B:Q4_K_M'],
    ['qwen*', 'qwen3-8b'],
    ['*8b', 'qwen3-8b'],
    ['q*3*b', 'qwen3-8b'],
    ['ggml-org/*', 'ggml-org/a/b'],
    ['qwen?-?b', 'qwen3-8b'],
    ['?', 'ü'],
    ['?', '🦙'],
    ['🦙?🦙', '🦙x🦙'],
    ['**', 'x'],
    ['a.b', 'a.b'],
    ['[ab]', '[ab]'],
    ['a\\*', 'a\\b'],
    ['*ab', 'aab'],
    ['', ''],
  ])('%j matches %j', (pattern, text) => expect(matchesGlob(pattern, text)).toBe(true));

  it.each([
    ['qwen', 'qwen3-8b'],
    ['wen*', 'qwen3-8b'],
    ['*8', 'qwen3-8b'],
    ['Qwen*', 'qwen3-8b'],
    ['?', ''],
    ['?', 'ab'],
    ['??', '🦙'],
    ['', 'a'],
    ['a.b', 'axb'],
    ['[ab]', 'a'],
    ['*a*b', 'ba'],
  ])('%j does not match %j', (pattern, text) => expect(matchesGlob(pattern, text)).toBe(false));
});

it('matches like the equivalent regular expression', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', '/', '🦙', '*', '?'), maxLength: 8 });
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '/', '🦙'), maxLength: 12 });
  fc.assert(
    fc.property(word, text, (pattern, name) => {
      const expression = pattern.replaceAll('*', '.*').replaceAll('?', '.').replaceAll('/', '\\/');
      expect(matchesGlob(pattern, name)).toBe(new RegExp(`^${expression}$`, 'su').test(name));
    }),
    { numRuns: 2000 },
  );
});

it('takes no exponential time', () => {
  const match = () => expect(matchesGlob(`${'*a'.repeat(100)}b`, 'a'.repeat(5000))).toBe(false);
  expect(cpuMs(match)).toBeLessThan(1000);
});
