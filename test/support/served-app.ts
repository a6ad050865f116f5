import { createApp } from '../../src/http/app.ts';
import { type ServeOptions, serve } from '../../src/http/server.ts';
import { failed, ok } from '../../src/lib/result.ts';
import { createStore } from '../../src/models/store.ts';
import { aListing, ended, listed } from './a-model.ts';
import { type AppOptions, appParts } from './app-parts.ts';
import { keptAlive, type Received, type Sent } from './kept-alive.ts';
import { createScriptedControl } from './scripted-control.ts';
import { TIMEOUT, UNREACHABLE } from './scripted-feed.ts';
import { createSteppedClock, settled } from './stepped-clock.ts';

/** The behaviour of the routers: `back` loads all models again, `down` lasts until then. */
export const WEATHER = ['calm', 'busy', 'back', 'down', 'stubborn'] as const;

export type Weather = (typeof WEATHER)[number];

const MODELS = { attic: ['qwen', 'bge'], cellar: ['llama'] };

/**
 * The app on a loopback port, with two routers whose models all have the alias `default`. Its clock advances while
 * requests wait.
 */
export async function serveApp(more: AppOptions = {}, options: ServeOptions = {}) {
  const clock = createSteppedClock();
  const store = createStore(clock, { reloadWindowMs: 600_000 });
  const attic = createScriptedControl(clock, store, 'attic', ...MODELS.attic);
  const cellar = createScriptedControl(clock, store, 'cellar', ...MODELS.cellar);
  const parts = appParts({ store, clock }, { controls: [attic, cellar], ...more });
  const server = await serve(createApp(parts), { host: '127.0.0.1', port: 0 }, options);
  const client = keptAlive(server.port);
  return {
    ...{ clock, store, attic, cellar, parts, port: server.port },
    turn(weather: Weather) {
      for (const [control, models] of [
        [attic, MODELS.attic],
        [cellar, MODELS.cellar],
      ] as const) {
        control.doing = new Map(weather === 'busy' ? models.map((model) => [model, { kind: 'busy' }]) : []);
        control.order = async (model) => {
          if (weather === 'stubborn') return failed(TIMEOUT);
          control.later(50, ended(model));
          return ok('accepted');
        };
        if (weather === 'down') control.entry.failed(UNREACHABLE);
        if (weather !== 'back') continue;
        control.entry.listed(aListing(...models.map((id) => listed(id, 'loaded', { aliases: ['default'] }))));
      }
    },
    /** The answer; while it waits, the clock advances. */
    async ask(sent: Sent): Promise<Received> {
      let waiting = true;
      const asked = client.send(sent).finally(() => {
        waiting = false;
      });
      asked.catch(() => {});
      for (let turns = 0; waiting; turns += 1) {
        await settled();
        if (waiting && turns > 20) await clock.advance(1000);
      }
      return asked;
    },
    async close() {
      client.close();
      await server.close();
    },
  };
}
