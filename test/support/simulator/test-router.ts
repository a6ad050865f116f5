import { type Answer, error, notFound } from '../../../simulator/answer.ts';
import { describeModel } from '../../../simulator/model-description.ts';
import type { SimulatorRequest } from '../../../simulator/routes.ts';
import {
  createSimulatedRouter,
  type SimulatedRouter,
  type SimulatedRouterOptions,
} from '../../../simulator/simulated-router.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { createFaults, type Faults, sendFault } from './faults.ts';
import { createRequestLog, type RequestLog } from './request-log.ts';
import { createSingleModelRoutes } from './single-model-server.ts';

/**
 * The listing of another build: the status as a string, the id as `name`, no status at all, or as builds of
 * December 2025 print it, which have no event stream.
 */
export type ListingShape = 'current' | 'plain-status' | 'name-only' | 'no-status' | 'december-2025';

export interface TestRouterOptions extends Omit<SimulatedRouterOptions, 'intercept'> {
  readonly shape?: ListingShape;
  /** `single` is a llama-server with one model. Default `router`. */
  readonly role?: 'router' | 'single';
  /** Required by every path but `/health`. Default: none. */
  readonly apiKey?: string | undefined;
}

/** A simulated router that can fail, look like another build, and records its requests. */
export interface TestRouter extends SimulatedRouter, Pick<RequestLog, 'requests' | 'violations' | 'count'> {
  readonly faults: Faults;
}

const PUBLIC = new Set(['/', '/health', '/v1/health']);

export function createTestRouter(options: TestRouterOptions = {}): TestRouter {
  const { shape = 'current', apiKey, clock = systemClock, models = [] } = options;
  const [only] = models;
  if (options.role === 'single' && !only)
    throw new Error('a single-model server needs a model: give `models` one');
  const single =
    options.role === 'single' && only ? createSingleModelRoutes(describeModel(only), clock) : undefined;
  const faults = createFaults();
  const log = createRequestLog();

  const router = createSimulatedRouter({
    ...options,
    async intercept(request, response, own) {
      const { method, path, query, headers } = request;
      const name = query.get('model');
      const model = single || name === null ? undefined : find(name);
      response.on('close', log.begin({ method, path, query: query.toString(), at: clock.wall() }, model));
      const respond = async (): Promise<Answer | 'stream'> => {
        if (!PUBLIC.has(path) && !isAuthorized(headers, apiKey)) return unauthorized;
        if (single) return single(request);
        return shape === 'current' ? own() : reshaped(request, own, shape);
      };
      const fault = faults.take(path, name);
      if (!fault) return respond();
      await sendFault(fault, response, () => respond().then(withoutStream), clock);
      return undefined;
    },
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

async function reshaped(
  { path }: SimulatorRequest,
  own: () => Promise<Answer | 'stream'>,
  shape: ListingShape,
): Promise<Answer | 'stream'> {
  if (path === '/models/sse' && shape === 'december-2025') return notFound;
  const answer = await own();
  if (answer === 'stream' || !['/models', '/v1/models'].includes(path)) return answer;
  const { data, ...rest } = JSON.parse(answer.body) as { data: Entry[] };
  return { ...answer, body: JSON.stringify({ data: data.map((entry) => entryIn(shape, entry)), ...rest }) };
}

interface Entry {
  id: string;
  source: string;
  status: { value: string; preset: string; [key: string]: unknown };
}

function entryIn(shape: ListingShape, entry: Entry): object {
  const { id, status, ...rest } = entry;
  switch (shape) {
    case 'plain-status':
      return { ...entry, status: status.value };
    case 'name-only':
      return { name: id, status, ...rest };
    case 'no-status':
      return { id, ...rest };
    case 'december-2025': {
      const { preset: _, ...older } = status;
      const common = { object: 'model', owned_by: 'llamacpp', created: 0 };
      return {
        id,
        in_cache: entry.source === 'cache',
        path: `/srv/models/${id}.gguf`,
        ...common,
        status: older,
      };
    }
    default:
      return entry;
  }
}
