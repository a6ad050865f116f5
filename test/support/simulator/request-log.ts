import type { SimulatorRequest } from '../../../simulator/server.ts';

/** The requests a server received, and those that a monitoring client must not send. */
export type RequestLog = ReturnType<typeof createRequestLog>;

/** `faultsOf` says what is wrong with a request; `isRepeated`: the same one for the same model is running. */
export function createRequestLog(faultsOf: (request: SimulatorRequest, isRepeated: boolean) => string[]) {
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
    begin(request: SimulatorRequest): () => void {
      const { method, path, query } = request;
      requests.push(`${method} ${path} ${query}`.trim());
      const key = keyOf(request);
      const what = query.size > 0 ? `${path}?${query}` : path;
      for (const why of faultsOf(request, running.includes(key))) violations.push(`${method} ${what} ${why}`);
      running.push(key);
      return () => void running.splice(running.indexOf(key), 1);
    },
  };
}

function keyOf({ method, path, query }: SimulatorRequest): string {
  return `${method} ${path} ${query.get('model') ?? ''}`;
}
