import type { SimulatorRequest } from '../../../simulator/routes.ts';
import type { SimulatedModel } from '../../../simulator/simulated-model.ts';

/** The requests a router received, and those that a monitoring client must not send. */
export type RequestLog = ReturnType<typeof createRequestLog>;

export function createRequestLog() {
  /** As `GET /path query`, oldest first. */
  const requests: string[] = [];
  /** Requests that load, wake or crowd a model. */
  const violations: string[] = [];
  const running: string[] = [];

  return {
    requests: requests as readonly string[],
    violations: violations as readonly string[],
    /** The number of requests for the path. */
    count: (path: string) => requests.filter((request) => request.split(' ')[1] === path).length,
    /** Records a request; call the returned function at its end. */
    begin(request: SimulatorRequest, model: SimulatedModel | undefined): () => void {
      const { method, path, query } = request;
      requests.push(`${method} ${path} ${query}`.trim());
      for (const why of violationsOf(request, model)) violations.push(`${method} ${path}?${query} ${why}`);
      const key = keyOf(request);
      running.push(key);
      return () => void running.splice(running.indexOf(key), 1);
    },
  };

  function violationsOf(request: SimulatorRequest, model: SimulatedModel | undefined): string[] {
    const name = request.query.get('model');
    if (request.method !== 'GET' || !name) return [];
    const found = [];
    if (!['false', '0'].includes(request.query.get('autoload') ?? '')) found.push('without autoload=false');
    if (model?.status === 'unloaded' || model?.status === 'sleeping')
      found.push(`while ${name} is ${model.status}`);
    if (running.includes(keyOf(request))) found.push('while the previous one is running');
    return found;
  }
}

function keyOf({ method, path, query }: SimulatorRequest): string {
  return `${method} ${path} ${query.get('model') ?? ''}`;
}
