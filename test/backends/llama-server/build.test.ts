import { describe, expect, it } from '@jest/globals';
import { classifyBuild } from '../../../src/backends/llama-server/build.ts';
import type { BuildClass, StreamState } from '../../../src/models/router-state.ts';

describe('the class of a build', () => {
  it.each<[string | undefined, StreamState, BuildClass]>([
    ['b7300-1f8a3b2c', 'unsupported', 'no_event_stream'],
    ['b9093-1f8a3b2c', 'unsupported', 'no_event_stream'],
    ['b9093-1f8a3b2c', 'connecting', 'no_event_stream'],
    ['b9682-1f8a3b2c', 'connecting', 'no_event_stream'],
    ['b9685-1f8a3b2c', 'connecting', 'reads_restart_timers'],
    ['b9685-1f8a3b2c', 'connected', 'reads_restart_timers'],
    ['b9692-1f8a3b2c', 'connected', 'reads_restart_timers'],
    ['b10434-7e4c0a9', 'connected', 'reads_restart_timers'],
    ['b10502-7e4c0a9', 'connected', 'reads_restart_timers'],
    ['b10523-7e4c0a9', 'connected', 'reads_restart_timers'],
    ['b10524-7e4c0a9', 'connected', 'reads_exempt'],
    ['b10524-7e4c0a9', 'connecting', 'reads_exempt'],
    ['b11669-Debian', 'connected', 'reads_exempt'],
    ['b11669-1f8a3b2c-dirty', 'connected', 'reads_exempt'],
    // A proxy may hide the stream of any build.
    ['b11669-Debian', 'unsupported', 'reads_exempt'],
    ['b10434-7e4c0a9', 'unsupported', 'no_event_stream'],
  ])('of %s, stream %s, is %s', (build, stream, expected) =>
    expect(classifyBuild(build, stream)).toBe(expected),
  );

  it.each([
    ['unsupported', 'no_event_stream'],
    ['connected', 'unknown'],
    ['connecting', 'unknown'],
  ] as const)('of a build that cannot be placed, stream %s, is %s', (stream, expected) => {
    const builds = [
      undefined,
      '',
      'b1-7e4c0a9', // A shallow clone.
      'b0-unknown',
      'b6999-1f8a3b2c', // Older than the router mode.
      'b11669', // Without a commit.
      'b11669-',
      '11669-1f8a3b2c',
      'B11669-1f8a3b2c',
      'b20261127-1f8a3b2c', // A date.
      'b116690-1f8a3b2c',
      'b11669.2-1f8a3b2c',
      'v0.7.0-b11669-Debian',
      '0.7.0',
      '1.0.0',
      'b11669 1f8a3b2c',
      'b11669-1f8a\n3b2c',
      'unknown',
    ];
    for (const build of builds) expect([build, classifyBuild(build, stream)]).toEqual([build, expected]);
  });
});
