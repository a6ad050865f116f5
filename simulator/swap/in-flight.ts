import type { Clock } from '../../src/lib/clock.ts';

/** A request for a model, from its arrival to its answer. */
export interface InFlightRequest {
  readonly id: string;
  /** Reports an answer that has begun, or more of it. */
  answering(bytes: number): void;
  end(): void;
}

/** The requests under way; `publish` gets the data of each `inflight` message. */
export function createInFlight(clock: Clock, publish: (data: object) => void) {
  const requests = new Map<string, object>();
  let count = 0;
  return {
    snapshot(): object {
      const operation = 'snapshot';
      return requests.size === 0 ? { operation } : { operation, requests: [...requests.values()] };
    },
    begin(model: string, path: string): InFlightRequest {
      count += 1;
      const id = String(count);
      const began = clock.now();
      const report = (bytes: number, isAnswered: boolean) => {
        const request = {
          id,
          timestamp: new Date(clock.wall(began)).toISOString(),
          model,
          req_path: path,
          method: 'POST',
          req_headers: { 'Content-Type': 'application/json' },
          remote_ip: '127.0.0.1',
          resp_headers: isAnswered ? { 'Content-Type': 'application/json', Server: 'llama.cpp' } : {},
          resp_bytes: bytes,
          elapsed_ms: Math.round(clock.now() - began),
        };
        requests.set(id, request);
        publish({ operation: 'upsert', request });
      };
      report(0, false);
      return {
        id,
        answering: (bytes) => report(bytes, true),
        end() {
          requests.delete(id);
          publish({ operation: 'remove', id });
        },
      };
    },
  };
}
