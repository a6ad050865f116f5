import type { Clock } from '../src/lib/clock.ts';
import { createBell } from './bell.ts';
import { type DescribedModel, describeModel } from './description.ts';
import { createDownload, type Download, type DownloadPlan } from './download.ts';
import type { Generation } from './engine.ts';
import { listReloaded, type RouterEvent, removed } from './event.ts';
import { victimAmong } from './eviction.ts';
import type { ListedModel } from './listed-model.ts';
import {
  createSimulatedModel,
  type Habits,
  type RequestEnd,
  type SimulatedModel,
} from './simulated-model.ts';

/** `full`: every place is taken by a model that is loading or busy. */
export type LoadEnd = 'started' | 'unknown' | 'running' | 'full';
export type ReadyEnd = 'ready' | 'failed' | 'gone';
export type ServeEnd = RequestEnd | Exclude<ReadyEnd, 'ready'>;

/** All models of one router: which of them have a process, and who must go for whom. */
export interface Roster {
  /** By id, or by one of its aliases. */
  find(name: string): SimulatedModel | undefined;
  downloading(id: string): Download | undefined;
  /** In the order of their ids, downloads included. */
  all(): readonly ListedModel[];
  /** Frees a place if there is none and starts the model's process; resolves before anything is loaded. */
  load(name: string): Promise<LoadEnd>;
  /** As a request does it: waits for a place as long as it takes, and for the load. */
  ready(model: SimulatedModel): Promise<ReadyEnd>;
  /** Has the model generate, after loading it if `loads`. Nobody is evicted who is waited for. */
  serve(model: SimulatedModel, generation: Generation, loads: boolean): Promise<ServeEnd>;
  /** Looks at what is on disk: models come and go, and failures are forgotten. */
  rescan(): Promise<void>;
  /** A finished download shows only after the next rescan, which whoever asks next triggers. */
  refresh(): Promise<void>;
  /** Takes a cached model away for good: its process, its download, its files. */
  remove(id: string): Promise<void>;
  download(id: string, plan: DownloadPlan): void;
  vanish(): void;
}

export interface RosterOptions {
  readonly habits: Habits;
  /** How many models may have a process at once; 0: as many as like. */
  readonly modelsMax: number;
  /** What lies on disk, by id. The roster adds what it downloads and deletes what it removes. */
  readonly disk: Map<string, DescribedModel>;
  /** Whether this load of the model is to fail. */
  fails(id: string): boolean;
  random(): number;
}

export function createRoster(
  { habits, modelsMax, disk, fails, random }: RosterOptions,
  clock: Clock,
  tell: (event: RouterEvent) => void,
): Roster {
  const models = new Map<string, SimulatedModel>();
  const downloads = new Map<string, Download>();
  const names = new Map<string, string>();
  /** Requests each model is serving or being loaded for. */
  const claims = new Map<SimulatedModel, number>();
  const changed = createBell();
  let sorted: readonly ListedModel[] | undefined;
  let rescanning: Promise<void> | undefined;
  let outdated = false;
  let over = false;

  const announce = (event: RouterEvent) => {
    tell(event);
    changed.ring();
  };
  const running = () => [...models.values()].filter((model) => model.running);

  function place(description: DescribedModel): void {
    models.set(description.id, createSimulatedModel(description, clock, habits, announce));
    for (const alias of description.aliases) names.set(alias, description.id);
    sorted = undefined;
  }

  function displace(id: string): void {
    const aliases = models.get(id)?.description.aliases ?? [];
    for (const alias of aliases) names.delete(alias);
    models.delete(id);
    downloads.delete(id);
    sorted = undefined;
  }

  async function gone(model: SimulatedModel): Promise<void> {
    while (model.running) await changed.heard();
  }

  async function start(model: SimulatedModel, patient: boolean): Promise<LoadEnd> {
    for (;;) {
      await rescanning;
      if (over || models.get(model.description.id) !== model) return 'unknown';
      if (model.running) return 'running';
      const others = running();
      if (modelsMax === 0 || others.length < modelsMax) {
        model.start(freePort(random), fails(model.description.id));
        return 'started';
      }
      const victim = victimAmong(others, claims);
      if (victim) {
        victim.stop();
        await gone(victim);
      } else if (patient) {
        await changed.heard();
      } else {
        return 'full';
      }
    }
  }

  async function ready(model: SimulatedModel): Promise<ReadyEnd> {
    for (;;) {
      if (model.stopping) await gone(model);
      if (model.status !== 'unloaded') break;
      if ((await start(model, true)) === 'unknown') return 'gone';
    }
    while (model.status === 'loading' && !model.known) await changed.heard();
    return model.running ? 'ready' : 'failed';
  }

  function claim(model: SimulatedModel, more: 1 | -1): void {
    const left = (claims.get(model) ?? 0) + more;
    if (left > 0) claims.set(model, left);
    else claims.delete(model);
    changed.ring();
  }

  async function reconcile(): Promise<void> {
    outdated = false;
    const leaving = [...models.values()].filter((model) => !disk.has(model.description.id));
    for (const model of leaving) model.stop();
    for (const model of leaving) await gone(model);
    for (const model of leaving) displace(model.description.id);
    for (const download of [...downloads.values()]) if (download.ended) displace(download.description.id);
    for (const model of models.values()) model.forgive();
    for (const description of disk.values()) if (!models.has(description.id)) place(description);
    announce(listReloaded);
  }

  function rescan(): Promise<void> {
    rescanning ??= reconcile().finally(() => {
      rescanning = undefined;
    });
    return rescanning;
  }

  for (const description of disk.values()) place(description);

  return {
    find: (name) => models.get(name) ?? models.get(names.get(name) ?? ''),
    downloading: (id) => downloads.get(id),
    all() {
      sorted ??= [...models.values(), ...downloads.values()].toSorted(byId);
      return sorted;
    },
    async load(name) {
      const model = this.find(name);
      if (!model) return 'unknown';
      return start(model, false);
    },
    ready,
    async serve(model, generation, loads) {
      claim(model, 1);
      try {
        const end = loads ? await ready(model) : 'ready';
        if (end !== 'ready') return end;
        model.usedAt = clock.now();
        return await model.generate(generation);
      } finally {
        claim(model, -1);
      }
    },
    rescan,
    async refresh() {
      if (outdated) await rescan();
    },
    async remove(id) {
      downloads.get(id)?.cancel();
      const model = models.get(id);
      model?.stop();
      if (model) await gone(model);
      disk.delete(id);
      displace(id);
      announce(removed(id));
    },
    download(id, plan) {
      const ended = (ok: boolean) => {
        outdated = true;
        if (ok) disk.set(id, describeModel({ source: 'cache', ...plan.model, id }));
      };
      downloads.set(id, createDownload(id, plan, clock, announce, ended));
      sorted = undefined;
    },
    vanish() {
      over = true;
      for (const model of models.values()) model.vanish();
      for (const download of downloads.values()) download.vanish();
      changed.ring();
    },
  };
}

/** As the kernel hands them out: anywhere above the well-known ones. */
function freePort(random: () => number): number {
  return 32_768 + Math.floor(random() * 28_000);
}

function byId(a: ListedModel, b: ListedModel): number {
  return a.description.id < b.description.id ? -1 : 1;
}
