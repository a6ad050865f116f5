import type { Clock } from '../../src/lib/clock.ts';
import { createEventStream } from '../event-stream.ts';

const HISTORY_LENGTH = 100_000;

/** The connections to `/api/events`, and the log that they carry. */
export type SwapEvents = ReturnType<typeof createSwapEvents>;

/** `now` returns the data of messages as it is at that moment. */
export function createSwapEvents(
  clock: Clock,
  messageDelaySeconds: number,
  now: { models(): object; profile(): object; inFlight(): object },
) {
  const history = { proxy: '', upstream: '' };
  const stream = createEventStream(() =>
    [
      logMessage('proxy', history.proxy),
      logMessage('upstream', history.upstream),
      message('modelStatus', now.models()),
      message('uiConfig', { activity: { session_id: ['X-Session-ID'] } }),
      message('profileChanged', now.profile()),
      message('inflight', now.inFlight()),
    ].join(''),
  );
  const soon = (action: () => void) => {
    if (messageDelaySeconds > 0) clock.after(messageDelaySeconds * 1000, action);
    else setImmediate(action);
  };
  return {
    stream,
    inFlight: (data: object) => stream.write(message('inflight', data)),
    modelsChanged: () => soon(() => stream.write(message('modelStatus', now.models()))),
    profileChanged: () => stream.write(message('profileChanged', now.profile())),
    activity: (id: number) => stream.write(message('activity', { id })),
    log(source: 'proxy' | 'upstream', line: string): void {
      history[source] = `${history[source]}${line}\n`.slice(-HISTORY_LENGTH);
      stream.write(logMessage(source, `${line}\n`));
    },
  };
}

function logMessage(source: string, data: string): string {
  return message('logData', { data, source });
}

function message(type: string, data: object): string {
  return `event:message\ndata:${JSON.stringify({ type, data: JSON.stringify(data) })}\n\n`;
}
