import type { SimulatedModel } from '../../../simulator/simulated-model.ts';

export interface LoggedRequest {
  readonly method: string;
  readonly path: string;
  /** As written, without the `?`. */
  readonly query: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** The requests a router received, and those that a monitoring client must not send. */
export interface RequestLog {
  /** The latest requests, oldest first, at most 10,000. */
  readonly requests: readonly LoggedRequest[];
  /** Requests that load, wake or crowd a model, at most the last 1,000. */
  readonly violations: readonly string[];
  /** The number of requests for the path since the start. */
  count(path: string): number;
  /** Records a request; call the returned function at its end. */
  begin(request: LoggedRequest, model: SimulatedModel | undefined): () => void;
}

const MAX_REQUESTS = 10_000;
const MAX_VIOLATIONS = 1_000;

export function createRequestLog(): RequestLog {
  const requests: LoggedRequest[] = [];
  const violations: string[] = [];
  const counts = new Map<string, number>();
  const running = new Map<string, number>();

  function violationsOf(request: LoggedRequest, model: SimulatedModel | undefined): string[] {
    const query = new URLSearchParams(request.query);
    const name = query.get('model');
    if (request.method !== 'GET' || !name) return [];
    const found = [];
    if (!['false', '0'].includes(query.get('autoload') ?? '')) found.push('without autoload=false');
    if (model?.status === 'unloaded' || model?.status === 'sleeping')
      found.push(`while ${name} is ${model.status}`);
    if (running.has(keyOf(request))) found.push('while the previous one is running');
    return found.map((violation) => `GET ${request.path}?${request.query} ${violation}`);
  }

  return {
    requests,
    violations,
    count: (path) => counts.get(path) ?? 0,
    begin(request, model) {
      violations.push(...violationsOf(request, model));
      if (violations.length > MAX_VIOLATIONS) violations.splice(0, violations.length - MAX_VIOLATIONS);
      requests.push(request);
      // In large steps: shifting the list at every request would copy it every time.
      if (requests.length > MAX_REQUESTS * 1.5) requests.splice(0, requests.length - MAX_REQUESTS);
      counts.set(request.path, (counts.get(request.path) ?? 0) + 1);
      const key = keyOf(request);
      running.set(key, (running.get(key) ?? 0) + 1);
      return () => {
        const left = (running.get(key) ?? 1) - 1;
        if (left > 0) running.set(key, left);
        else running.delete(key);
      };
    },
  };
}

function keyOf({ method, path, query }: LoggedRequest): string {
  return `${method} ${path} ${new URLSearchParams(query).get('model') ?? ''}`;
}
