import { type Answer, error } from '../../../simulator/answer.ts';
import type { RouterSettings } from '../../../simulator/settings.ts';
import { createSimulatedRouter, type SimulatedRouter } from '../../../simulator/simulated-router.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { createFaults, type Faults, sendFault } from './faults.ts';
import { createRequestLog, type RequestLog } from './request-log.ts';

export interface TestRouterOptions extends Partial<RouterSettings> {
  /** Required by every path but `/health`. Default: none. */
  readonly apiKey?: string;
}

/** A simulated router that can fail and records its requests. */
export interface TestRouter extends SimulatedRouter, Pick<RequestLog, 'requests' | 'violations' | 'count'> {
  readonly faults: Faults;
}

const PUBLIC = new Set(['/', '/health', '/v1/health']);

export function createTestRouter({ apiKey, ...options }: TestRouterOptions = {}): TestRouter {
  const { clock = systemClock } = options;
  const faults = createFaults();
  const log = createRequestLog();

  const router = createSimulatedRouter(options, async (request, response, own) => {
    const { path, query, headers } = request;
    const name = query.get('model');
    const model = name === null ? undefined : find(name);
    response.on('close', log.begin(request, model));
    const allowed = PUBLIC.has(path) || isAuthorized(headers, apiKey);
    const respond = () => (allowed ? own() : Promise.resolve(unauthorized));
    const fault = faults.take(path, name);
    if (!fault) return respond();
    await sendFault(fault, response, () => respond().then(withoutStream), clock);
    return undefined;
  });
  // Not a copy: `url` and `models` are getters.
  return Object.defineProperties(router, {
    faults: { value: faults },
    requests: { value: log.requests },
    violations: { value: log.violations },
    count: { value: log.count },
  }) as TestRouter;

  function find(name: string) {
    try {
      return router.model(name);
    } catch {
      return undefined;
    }
  }
}

const unauthorized: Answer = {
  ...error(401, 'authentication_error', ''),
  body: '{"error":{"message":"Invalid API Key","type":"authentication_error","code":401}}',
};

/** A fault on the event stream ends in silence instead of a stream. */
function withoutStream(answer: Answer | 'stream'): Answer {
  return answer === 'stream' ? { status: 200, type: 'text/event-stream', body: '' } : answer;
}

function isAuthorized(headers: NodeJS.Dict<string | string[]>, apiKey: string | undefined): boolean {
  const given = headers.authorization ?? headers['x-api-key'] ?? '';
  return apiKey === undefined || String(given).replace(/^Bearer /, '') === apiKey;
}
