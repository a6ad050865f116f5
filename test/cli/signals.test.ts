import { describe, expect, it } from '@jest/globals';
import { isForCommand, isForegroundStat } from '../../src/cli/signals.ts';

describe('a signal is passed on to the command', () => {
  it.each<[NodeJS.Signals, boolean, boolean]>([
    ['SIGTERM', true, true],
    ['SIGHUP', true, true],
    ['SIGUSR1', true, true],
    ['SIGCONT', true, true],
    // Ctrl-C, Ctrl-\, Ctrl-Z and a resize reach the whole foreground group.
    ['SIGINT', true, false],
    ['SIGQUIT', true, false],
    ['SIGTSTP', true, false],
    ['SIGWINCH', true, false],
    ['SIGINT', false, true],
    ['SIGQUIT', false, true],
    ['SIGTSTP', false, true],
    ['SIGWINCH', false, true],
  ])('%s, in the foreground of a terminal %s: %s', (signal, inForeground, expected) => {
    expect(isForCommand(signal, inForeground)).toBe(expected);
  });

  it.each([
    ['4242 (node) S 4000 4242 4000 34816 4242 4194304 1', true],
    ['4242 (node) S 4000 4242 4000 34816 4000 4194304 1', false],
    ['4242 (node) S 1 4242 4242 0 -1 4194304 1', false],
    ['4242 (a) S 1 (b) S 4000 7 4000 34816 7 4194304 1', true],
    ['', false],
  ])('%s: foreground %s', (stat, expected) => expect(isForegroundStat(stat)).toBe(expected));
});
