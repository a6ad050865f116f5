import { type Answer, error } from '../../../simulator/answer.ts';
import type { Served, SimulatorRequest } from '../../../simulator/server.ts';
import type { RouterSettings } from '../../../simulator/settings.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { createFaults, type Faults, sendFault } from './faults.ts';
import { createRequestLog, type RequestLog } from './request-log.ts';
import { createRestartableRouter, type RestartableRouter } from './restartable.ts';

export interface TestRouterOptions extends Partial<RouterSettings> {
  /** Required by every path but `/health`. Default: none. */
  readonly apiKey?: string;
}

/** A simulated router that can fail and records its requests. */
export interface TestRouter extends RestartableRouter, Pick<RequestLog, 'requests' | 'violations' | 'count'> {
  readonly faults: Faults;
}

const PUBLIC = new Set(['/', '/health', '/v1/health']);

export function createTestRouter({ apiKey, ...options }: TestRouterOptions = {}): TestRouter {
  const { clock = systemClock } = options;
  const faults = createFaults();
  const log = createRequestLog(faultsOf);

  const router = createRestartableRouter(options, async (request, response, own) => {
    const { path, query, headers } = request;
    const name = query.get('model');
    response.on('close', log.begin(request));
    const allowed = PUBLIC.has(path) || isAuthorized(headers, apiKey);
    const respond = () => (allowed ? own() : Promise.resolve(unauthorized));
    const fault = faults.take(path, name);
    if (!fault) return respond();
    await sendFault(fault, response, () => respond().then(withoutStream), clock);
    return undefined;
  });
  const { requests, violations, count } = log;
  return Object.assign(router, { faults, requests, violations, count });

  function faultsOf({ method, query }: SimulatorRequest, isRepeated: boolean): string[] {
    const name = query.get('model');
    if (method !== 'GET' || !name) return [];
    const status = router.models.find(({ description }) => description.id === name)?.status;
    const found = [];
    if (!['false', '0'].includes(query.get('autoload') ?? '')) found.push('without autoload=false');
    if (status === 'unloaded' || status === 'sleeping') found.push(`while ${name} is ${status}`);
    if (isRepeated) found.push('while the previous one is running');
    return found;
  }
}

const unauthorized: Answer = {
  ...error(401, 'authentication_error', ''),
  body: '{"error":{"message":"Invalid API Key","type":"authentication_error","code":401}}',
};

/** A fault on the event stream ends in silence instead of a stream. */
export function withoutStream(answer: Served): Answer {
  return typeof answer === 'function' ? { status: 200, type: 'text/event-stream', body: '' } : answer;
}

function isAuthorized(headers: NodeJS.Dict<string | string[]>, apiKey: string | undefined): boolean {
  const given = headers.authorization ?? headers['x-api-key'] ?? '';
  return apiKey === undefined || String(given).replace(/^Bearer /, '') === apiKey;
}
