import { createEventStream } from '../event-stream.ts';

/** The connections to `/api/events`. */
export type SwapEvents = ReturnType<typeof createSwapEvents>;

/** `now` returns the data of messages as it is at that moment. */
export function createSwapEvents(now: { models(): object; inFlight(): object }) {
  const stream = createEventStream(() =>
    [
      message('modelStatus', now.models()),
      message('uiConfig', { activity: { session_id: ['X-Session-ID'] } }),
      message('profileChanged', { active: null }),
      message('inflight', now.inFlight()),
    ].join(''),
  );
  return {
    stream,
    inFlight: (data: object) => stream.write(message('inflight', data)),
    /** The message follows when the change has had its direct consequences: quick changes share one state. */
    modelsChanged: () => setImmediate(() => stream.write(message('modelStatus', now.models()))),
    activity: (id: number) => stream.write(message('activity', { id })),
    log: (source: 'proxy' | 'upstream', line: string) =>
      stream.write(message('logData', { data: `${line}\n`, source })),
  };
}

function message(type: string, data: object): string {
  return `event:message\ndata:${JSON.stringify({ type, data: JSON.stringify(data) })}\n\n`;
}
