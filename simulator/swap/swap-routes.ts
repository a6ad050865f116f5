import { generationOf } from '../model-answers.ts';
import type { Routes, Served, SimulatorRequest } from '../server.ts';
import type { Dispatch } from './dispatch.ts';
import type { Scheduler } from './scheduler.ts';
import type { SwapSettings } from './settings.ts';
import { hostMetrics, listing, pageNotFound, swapError, text } from './swap-answers.ts';
import type { SwapEvents } from './swap-events.ts';
import { modelList, runningList } from './swap-listing.ts';
import type { SwapProcess } from './swap-process.ts';

const COMPLETIONS = ['/completion', '/v1/completions', '/v1/chat/completions'];
const UNLOAD = '/api/models/unload';

interface SwapParts {
  /** Ordered by id. */
  readonly processes: readonly SwapProcess[];
  readonly scheduler: Scheduler;
  readonly dispatch: Dispatch;
  readonly events: SwapEvents;
  /** By id or alias. */
  find(name: string): SwapProcess | undefined;
  portOf(id: string): number;
}

export function createSwapRoutes(
  { processes, scheduler, dispatch, events, find, portOf }: SwapParts,
  settings: SwapSettings,
): Routes {
  const { clock, version } = settings;

  return async (request) => {
    const { method, path } = request;
    const answer = await route(request);
    const status = typeof answer === 'function' ? 200 : answer.status;
    events.log('proxy', `[INFO] Request 127.0.0.1 "${method} ${path} HTTP/1.1" ${status} 0 "" 123.463µs`);
    return answer;
  };

  async function route(request: SimulatorRequest): Promise<Served> {
    const { method, path } = request;
    if (method === 'POST' && path.startsWith(`${UNLOAD}/`)) return unload(path.slice(UNLOAD.length + 1));
    if (method === 'POST' && COMPLETIONS.includes(path)) return complete(request);
    switch (`${method} ${path}`) {
      case 'GET /':
        return text('<a href="/ui">Found</a>.\n\n');
      case 'GET /health':
        return text('OK');
      case 'GET /running':
        return listing(runningList(processes, portOf));
      case 'GET /models':
      case 'GET /v1/models':
        return listing(modelList(processes, Math.floor(clock.wall() / 1000)));
      case 'GET /metrics':
        return hostMetrics;
      case 'GET /api/version':
        return listing({ build_date: 'unknown', commit: 'simulated', version });
      case 'GET /api/events':
        return events.stream.attach;
      case 'GET /props':
        return noModel('');
      case 'GET /unload':
        await scheduler.unload(processes);
        return text('OK');
      case `POST ${UNLOAD}`:
        await scheduler.unload(processes);
        return listing({ msg: 'ok' });
      default:
        return pageNotFound;
    }
  }

  async function unload(encodedName: string): Promise<Served> {
    const process = find(decodeURIComponent(encodedName).replace(/^\//, ''));
    if (!process) return swapError(404, 'model not found');
    await scheduler.unload([process]);
    return text('OK');
  }

  function complete(request: SimulatorRequest): Served {
    const { json: body = {} } = request;
    const name = typeof body.model === 'string' ? body.model : '';
    const process = find(name);
    if (!process) return noModel(name);
    const prompt = JSON.stringify(body.messages ?? body.prompt);
    events.log('upstream', `I slot launch_slot_: processing task, prompt = ${prompt}`);
    return dispatch.complete(request, process, generationOf(body, process.description), body.stream === true);
  }
}

function noModel(name: string): Served {
  return swapError(404, name === '' ? 'no model id could be identified' : 'no router for requested model');
}
