import { createConfigSource } from '../../src/config/source.ts';
import type { RouterControl } from '../../src/fleet/fleet.ts';
import { createHolding } from '../../src/hold/holding.ts';
import { ok } from '../../src/lib/result.ts';
import type { RouterEvent } from '../../src/models/feed.ts';
import { createStore } from '../../src/models/store.ts';
import { createOperations } from '../../src/unload/operations.ts';
import type { Operation } from '../../src/unload/report.ts';
import type { UnloadRequest } from '../../src/unload/request.ts';
import { aListing, begun, ended, listed, turned } from './a-model.ts';
import { addRouter, type DrivenRouter, driven } from './driven-router.ts';
import type { SteppedClock } from './stepped-clock.ts';

const CONFIG = createConfigSource({ env: {}, flags: {} }).current;

/** A router, independent of the exporter that watches it: unloads take 50 ms and loads 100 ms. */
export type WorldRouter = ReturnType<typeof createWorldRouter>;

export function createWorldRouter(clock: SteppedClock, name: string, ids: readonly string[]) {
  const models = new Map(ids.map((id) => [id, { status: 'unloaded', instance: 0, busy: false }]));
  /** Delivers events to the exporter that watches now. */
  let watcher: DrivenRouter | undefined;
  const modelOf = (id: string) => {
    const model = models.get(id);
    if (model === undefined) throw new Error(`no model ${id}`);
    return model;
  };
  const tell = (event: RouterEvent) => watcher?.event(event);
  return {
    name,
    models,
    modelOf,
    watch(entry: DrivenRouter): void {
      watcher = entry;
      entry.stream('connected');
      entry.props({ modelsMax: 0 });
      entry.listed(
        aListing(
          ...[...models].map(([id, { status, instance }]) =>
            listed(id, status as 'loaded', instance > 0 ? { instance } : {}),
          ),
        ),
      );
    },
    /** No exporter watches. */
    leave: () => {
      watcher = undefined;
    },
    load(id: string): 'accepted' | 'already_running' {
      const model = modelOf(id);
      if (model.status !== 'unloaded') return 'already_running';
      const instance = model.instance + 1;
      Object.assign(model, { status: 'loading', instance, busy: false });
      tell(begun(id));
      clock.after(100, () => {
        if (model.instance !== instance || model.status !== 'loading') return;
        model.status = 'loaded';
        tell(turned(id, 'loaded'));
      });
      return 'accepted';
    },
    unload(id: string): 'accepted' | 'not_running' {
      const model = modelOf(id);
      if (model.status === 'unloaded') return 'not_running';
      const { instance } = model;
      clock.after(50, () => {
        if (model.instance !== instance || model.status === 'unloaded') return;
        // A process that is still loading is killed.
        const exitCode = model.status === 'loading' ? 1 : 0;
        Object.assign(model, { status: 'unloaded', busy: false });
        tell(ended(id, exitCode));
      });
      return 'accepted';
    },
  };
}

export interface Exporter extends ReturnType<typeof createHolding> {
  operations: ReturnType<typeof createOperations>;
  /** The finished restores. */
  restores: Operation[];
  /** Ends it as SIGKILL does: it orders nothing any more, and what it has not saved is lost. */
  kill(): void;
}

interface World {
  clock: SteppedClock;
  routers: readonly WorldRouter[];
  /** The state file. */
  disk: Map<string, unknown>;
  /** Called when an unload begins on a router; `restores`: for a hold whose models come back. */
  onBegin(router: string, request: UnloadRequest, restores: boolean): void;
  /** Called with each order that reaches a router. */
  onOrder(kind: 'load' | 'unload', router: WorldRouter, model: string): void;
}

/** The exporter's holds and operations on routers of the world, with what an earlier one saved. */
export function startExporterOn({ clock, routers, disk, onBegin, onOrder }: World): Exporter {
  let alive = true;
  const store = createStore(clock, { reloadWindowMs: 0 });
  const never = new Promise<never>(() => {});
  const controls = routers.map((router): RouterControl => {
    const entry = addRouter(store, router.name);
    const order = async <T>(kind: 'load' | 'unload', model: string, act: () => T) => {
      if (!alive) return never;
      onOrder(kind, router, model);
      return ok(act());
    };
    return {
      state: entry.state,
      probe: async (model) => (alive ? { kind: router.modelOf(model).busy ? 'busy' : 'idle' } : never),
      exclusive: (work) => work(),
      markUnloadPending: entry.markUnloadPending,
      unload: (model) => order('unload', model, () => router.unload(model)),
      load: (model) => order('load', model, () => router.load(model)),
      refresh: () => (alive ? Promise.resolve() : never),
      onTransition: store.onTransition,
    };
  });
  const operations = createOperations({ controls: () => controls, keep: () => [], clock });
  const restores: Operation[] = [];
  const holding = createHolding({
    fleet: { store, controls: () => controls },
    operations,
    memory: { ofRouter: () => undefined },
    measure: async () => undefined,
    config: () => CONFIG,
    clock,
    async save() {
      if (!alive) return never;
      for (const { name, snapshot } of holding.stateParts) disk.set(name, structuredClone(snapshot()));
    },
  });
  operations.onBegin(({ router, request }) => {
    if (alive) onBegin(router, request, holding.holds.get(request.hold ?? '')?.restore === true);
  });
  operations.onEnd(({ operation }) => {
    if (operation.trigger === 'restore') restores.push(operation);
  });
  for (const part of holding.stateParts) {
    if (disk.has(part.name)) part.restore(structuredClone(disk.get(part.name)));
  }
  holding.start();
  for (const router of routers) router.watch(driven(store, router.name));
  holding.resume();
  return {
    ...holding,
    operations,
    restores,
    kill() {
      alive = false;
      holding.stop();
      for (const router of routers) router.leave();
    },
  };
}
