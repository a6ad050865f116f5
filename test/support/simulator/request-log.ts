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
  /** Oldest first. */
  readonly requests: readonly LoggedRequest[];
  /** Requests that load, wake or crowd a model. */
  readonly violations: readonly string[];
  /** The number of requests for the path since the start. */
  count(path: string): number;
  /** Records a request; call the returned function at its end. */
  begin(request: LoggedRequest, model: SimulatedModel | undefined): () => void;
}

export function createRequestLog(): RequestLog {
  const requests: LoggedRequest[] = [];
  const violations: string[] = [];
  const running: string[] = [];

  function violationsOf(request: LoggedRequest, model: SimulatedModel | undefined): string[] {
    const query = new URLSearchParams(request.query);
    const name = query.get('model');
    if (request.method !== 'GET' || !name) return [];
    const found = [];
    if (!['false', '0'].includes(query.get('autoload') ?? '')) found.push('without autoload=false');
    if (model?.status === 'unloaded' || model?.status === 'sleeping')
      found.push(`while ${name} is ${model.status}`);
    if (running.includes(keyOf(request))) found.push('while the previous one is running');
    return found.map((violation) => `GET ${request.path}?${request.query} ${violation}`);
  }

  return {
    requests,
    violations,
    count: (path) => requests.filter((request) => request.path === path).length,
    begin(request, model) {
      violations.push(...violationsOf(request, model));
      requests.push(request);
      const key = keyOf(request);
      running.push(key);
      return () => void running.splice(running.indexOf(key), 1);
    },
  };
}

function keyOf({ method, path, query }: LoggedRequest): string {
  return `${method} ${path} ${new URLSearchParams(query).get('model') ?? ''}`;
}
