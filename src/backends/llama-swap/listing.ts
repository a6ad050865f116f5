import type { ListedModel, Listing } from '../../models/feed.ts';
import { portOf } from './own-port.ts';
import type { RunningModel, SwapModel } from './schemas.ts';
import { statusOf } from './status.ts';

/**
 * The models of the configuration with the state of those that run: of the two sources, only `/running` tells the states
 * at one moment. A running model that is not among the models is listed too.
 */
export function listingOf(
  models: readonly SwapModel[],
  running: readonly RunningModel[],
  inFlight: ReadonlyMap<string, number> | undefined,
): Pick<Listing, 'models' | 'malformed'> {
  const processes = new Map(running.map((process) => [process.id, process]));
  const known = new Set(models.map(({ id }) => id));
  const unlisted = running.filter(({ id }) => !known.has(id)).map(({ id }) => ({ id, aliases: [] }));
  return {
    models: [...models, ...unlisted].map((model) =>
      listedModel(model, processes.get(model.id), inFlight?.get(model.id)),
    ),
    malformed: [],
  };
}

function listedModel(
  { id, aliases, contextTokens }: SwapModel,
  process: RunningModel | undefined,
  inFlight: number | undefined,
): ListedModel {
  const { command, proxy, ttlSeconds } = process ?? {};
  return {
    id,
    aliases,
    status: process ? statusOf(process.state) : 'unloaded',
    failed: false,
    sleepIdleSeconds: command === undefined ? undefined : idleTimerOf(command),
    inFlight,
    ttlSeconds,
    process: command === undefined ? undefined : { command, port: portOf(proxy) },
    facts: contextTokens === undefined ? {} : { contextTokens },
  };
}

const IDLE_TIMER = /--sleep[-_]idle[-_]seconds(?:=|\s+)["']?(-?[\d.]+)/g;

/** The last `--sleep-idle-seconds` of a command line; -1, like its absence, is none: 0. */
function idleTimerOf(command: string): number {
  const seconds = Number([...command.matchAll(IDLE_TIMER)].at(-1)?.[1] ?? 0);
  return Math.max(0, seconds || 0);
}
