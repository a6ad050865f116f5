import type { IncomingHttpHeaders } from 'node:http';
import type { Answer } from '../../../simulator/answer.ts';
import type { SwapSettings } from '../../../simulator/swap/settings.ts';
import { createSimulatedSwap, type SimulatedSwap } from '../../../simulator/swap/simulated-swap.ts';
import { pageNotFound, swapError } from '../../../simulator/swap/swap-answers.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { createFaults, type Faults, sendFault } from './faults.ts';
import { createRequestLog, type RequestLog } from './request-log.ts';
import { withoutStream } from './test-router.ts';

export interface TestSwapOptions extends Partial<SwapSettings> {
  /** One of them is required by every path but `/health`. Default: none. */
  readonly apiKeys?: readonly string[];
  /** Paths that this build does not have. */
  readonly missing?: readonly string[];
}

/** A simulated llama-swap that can fail and records its requests. */
export interface TestSwap extends SimulatedSwap, Pick<RequestLog, 'requests' | 'violations' | 'count'> {
  readonly faults: Faults;
}

export function createTestSwap({ apiKeys = [], missing = [], ...options }: TestSwapOptions = {}): TestSwap {
  const { clock = systemClock } = options;
  const faults = createFaults();
  const log = createRequestLog(({ path, query }) => {
    const loads = path.startsWith('/upstream/') || (path === '/props' && query.has('model'));
    return loads ? ['loads the model and restarts its ttl'] : [];
  });

  const swap = createSimulatedSwap(options, async (request, response, own) => {
    const { path, query, headers } = request;
    response.on('close', log.begin(request));
    const respond = async () => {
      if (path !== '/health' && !isAuthorized(headers, apiKeys)) {
        response.setHeader('WWW-Authenticate', 'Basic realm="llama-swap"');
        return unauthorized;
      }
      return missing.includes(path) ? pageNotFound : own();
    };
    const fault = faults.take(path, query.get('model'));
    if (!fault) return respond();
    await sendFault(fault, response, () => respond().then(withoutStream), clock);
    return undefined;
  });
  // Not a copy: `url` and `models` are getters.
  return Object.defineProperties(swap, {
    faults: { value: faults },
    requests: { value: log.requests },
    violations: { value: log.violations },
    count: { value: log.count },
  }) as TestSwap;
}

/** A simulated llama-swap that listens on a free port. The caller stops it. */
export async function startSimulatedSwap(options: TestSwapOptions = {}): Promise<TestSwap> {
  const swap = createTestSwap(options);
  await swap.listen();
  return swap;
}

const unauthorized: Answer = swapError(401, 'unauthorized: invalid or missing API key');

/** As the real one: with `Authorization`, it does not look at `X-Api-Key`. */
function isAuthorized(headers: IncomingHttpHeaders, keys: readonly string[]): boolean {
  if (keys.length === 0) return true;
  const { authorization = '', 'x-api-key': own } = headers;
  const [, bearer] = /^bearer (.+)/i.exec(authorization) ?? [];
  const [, basic = ''] = /^basic (.+)/i.exec(authorization) ?? [];
  const [, password] = /^[^:]*:(.+)/.exec(Buffer.from(basic, 'base64').toString()) ?? [];
  const given = password ?? bearer ?? own;
  return typeof given === 'string' && keys.includes(given);
}
