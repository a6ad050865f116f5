import type { ListedModel, Listing } from '../../models/feed.ts';
import { idleTimerOf } from '../llama-server/schemas.ts';
import { portOf } from './own-port.ts';
import type { RunningModel, SwapModel } from './schemas.ts';
import { statusOf } from './status.ts';

/**
 * The models of the configuration with the state of those that run: of the two sources, only `/running` has the states
 * of one moment. A running model that is not among the models is listed too. `seen` are the models that ran before: their
 * commands and ports are those of the configuration, and stay.
 */
export function listingOf(
  models: readonly SwapModel[],
  running: readonly RunningModel[],
  seen: ReadonlyMap<string, RunningModel>,
  inFlight: ReadonlyMap<string, number> | undefined,
): Pick<Listing, 'models' | 'malformed'> {
  const states = new Map(running.map(({ id, state }) => [id, state]));
  const known = new Set(models.map(({ id }) => id));
  const unlisted = running.filter(({ id }) => !known.has(id)).map(({ id }) => ({ id, aliases: [] }));
  return {
    models: [...models, ...unlisted].map((model) =>
      listedModel(model, states.get(model.id), seen.get(model.id), inFlight?.get(model.id)),
    ),
    malformed: [],
  };
}

function listedModel(
  { id, aliases, contextTokens }: SwapModel,
  state: string | undefined,
  seen: RunningModel | undefined,
  inFlight: number | undefined,
): ListedModel {
  const { command, proxy, ttlSeconds } = seen ?? {};
  return {
    id,
    aliases,
    status: state === undefined ? 'unloaded' : statusOf(state),
    failed: false,
    sleepIdleSeconds: command === undefined ? undefined : idleTimerOf(wordsOf(command)),
    inFlight,
    ttlSeconds,
    process: command === undefined ? undefined : { command, port: portOf(proxy) },
    facts: contextTokens === undefined ? {} : { contextTokens },
  };
}

/** Quotes hold no spaces around the options that are looked for. */
function wordsOf(command: string): string[] {
  return command.replaceAll(/["']/g, '').split(/\s+/);
}
