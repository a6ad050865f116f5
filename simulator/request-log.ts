import type { ListedModel } from './listed-model.ts';

export interface LoggedRequest {
  readonly method: string;
  readonly path: string;
  /** As it was written, without the `?`. */
  readonly query: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** Who asked what, and whether a watcher should have. */
export interface RequestLog {
  /** The latest requests, oldest first, at most 10,000. */
  readonly requests: readonly LoggedRequest[];
  /** What a watcher must never do (load, wake or crowd a model by looking at it), at most the last 1,000. */
  readonly violations: readonly string[];
  /** How often the path was asked since the beginning. */
  count(path: string): number;
}

export interface WritableRequestLog extends RequestLog {
  /** Writes a request down; the returned function says that it is over. */
  begin(request: LoggedRequest, model: ListedModel | undefined): () => void;
}

const MAX_REQUESTS = 10_000;
const MAX_VIOLATIONS = 1_000;

export function createRequestLog(): WritableRequestLog {
  const requests: LoggedRequest[] = [];
  const violations: string[] = [];
  const counts = new Map<string, number>();
  const underWay = new Map<string, number>();

  function judge(request: LoggedRequest, model: ListedModel | undefined): string[] {
    const asked = new URLSearchParams(request.query);
    const name = asked.get('model');
    if (request.method !== 'GET' || !name) return [];
    const offences = [];
    if (!['false', '0'].includes(asked.get('autoload') ?? '')) offences.push('without autoload=false');
    if (model?.status === 'unloaded' || model?.status === 'sleeping') {
      offences.push(`while ${name} is ${model.status}`);
    }
    if (underWay.get(keyOf(request)) !== undefined) offences.push('while the last one is under way');
    return offences.map((offence) => `GET ${request.path}?${request.query} ${offence}`);
  }

  return {
    requests,
    violations,
    count: (path) => counts.get(path) ?? 0,
    begin(request, model) {
      violations.push(...judge(request, model));
      if (violations.length > MAX_VIOLATIONS) violations.splice(0, violations.length - MAX_VIOLATIONS);
      requests.push(request);
      // Trimmed by halves: shifting at every request would copy the list at every request.
      if (requests.length > MAX_REQUESTS * 1.5) requests.splice(0, requests.length - MAX_REQUESTS);
      counts.set(request.path, (counts.get(request.path) ?? 0) + 1);
      const key = keyOf(request);
      underWay.set(key, (underWay.get(key) ?? 0) + 1);
      return () => {
        const left = (underWay.get(key) ?? 1) - 1;
        if (left > 0) underWay.set(key, left);
        else underWay.delete(key);
      };
    },
  };
}

function keyOf({ method, path, query }: LoggedRequest): string {
  return `${method} ${path} ${new URLSearchParams(query).get('model') ?? ''}`;
}
