import type { Clock } from '../src/lib/clock.ts';
import type { MemoryReading, ModelMemory, OtherProcess } from '../src/memory/reading.ts';
import { type DescribedModel, EMBEDDING_LENGTH } from './model-description.ts';
import type { SimulatedModel } from './simulated-model.ts';

type MeasuredModel = Pick<SimulatedModel, 'description' | 'status' | 'known' | 'engine' | 'isRunning'>;

/** A card with room for two or three of the demo's models. */
const CARD = {
  gpu: '0',
  uuid: 'GPU-51a71a7e-0000-4000-8000-000000000001',
  name: 'Simulated RTX PRO 6000',
  pool: 'vram',
  totalBytes: 97_887 * 1024 * 1024,
} as const;

const MB = 1_000_000;

/** CUDA context of each process. */
const CONTEXT_BYTES = 420 * MB;

/** GPU memory of a sleeping process. */
const SLEEPING_BYTES = 600 * MB;

/** Other processes: a desktop, and image generation in two minutes of every six. */
const DESKTOP: OtherProcess = { uuid: CARD.uuid, pid: 2210, name: 'gnome-shell', bytes: 850 * MB };
const IMAGES: OtherProcess = { uuid: CARD.uuid, pid: 4711, name: 'comfyui', bytes: 7200 * MB };

/** Of the router's own process. */
const ROUTER_BYTES = 80 * MB;

/**
 * Readings of the memory that the models of a simulated server would hold: it rises during a load and falls when a
 * model sleeps or is unloaded. `router` is the server's name in the readings.
 */
export function createSimulatedMemory(
  simulated: { readonly models: readonly MeasuredModel[] },
  router: string,
  clock: Clock,
): () => MemoryReading {
  const loadingSince = new Map<string, number>();
  const cpuSeconds = new Map<string, number>();
  let lastAt = clock.now();

  return () => {
    const at = clock.now();
    const elapsedSeconds = (at - lastAt) / 1000;
    lastAt = at;
    const running = simulated.models.filter((model) => model.isRunning());
    for (const { description, status } of simulated.models) {
      if (status !== 'loading') loadingSince.delete(description.id);
    }
    const models = running.map((model) => measure(model, at, elapsedSeconds));
    const ownedBytes = models.reduce((sum, { gpus }) => sum + (gpus[0]?.bytes ?? 0), 0);
    const others = clock.wall(at) % 360_000 < 120_000 ? [IMAGES, DESKTOP] : [DESKTOP];
    const unownedBytes = others.reduce((sum, { bytes }) => sum + bytes, 0);
    const usedBytes = Math.min(CARD.totalBytes, ownedBytes + unownedBytes);
    return {
      at,
      models,
      here: [router],
      hidden: [],
      reports: [{ collector: 'simulator', seconds: 0 }],
      gpus: [{ ...CARD, usedBytes, unownedBytes }],
      others,
      cards: [{ ...CARD, collector: 'simulator' }],
      routers: [{ router, residentBytes: ROUTER_BYTES, gpus: [] }],
      orphans: [],
      contained: [],
      foreignPids: false,
    };
  };

  function measure(model: MeasuredModel, at: number, elapsedSeconds: number): ModelMemory {
    const { id, sizeBytes } = model.description;
    const isBusy = model.status === 'loading' || model.engine.isBusy();
    const seconds = (cpuSeconds.get(id) ?? 0) + (isBusy ? elapsedSeconds : 0);
    cpuSeconds.set(id, seconds);
    return {
      router,
      model: id,
      cpuSeconds: seconds,
      residentBytes: Math.round(300 * MB + 0.02 * sizeBytes),
      gpus: [{ uuid: CARD.uuid, pool: CARD.pool, bytes: Math.round(heldBytes(model, at)) }],
    };
  }

  function heldBytes({ description, status, known }: MeasuredModel, at: number): number {
    if (status === 'sleeping') return SLEEPING_BYTES;
    if (status !== 'loading') return loadedBytes(description);
    const { id, wakeSeconds, loadSeconds } = description;
    const since = loadingSince.get(id) ?? at;
    loadingSince.set(id, since);
    const share = Math.min(1, (at - since) / 1000 / (known ? wakeSeconds : loadSeconds));
    return CONTEXT_BYTES + share * (loadedBytes(description) - CONTEXT_BYTES);
  }
}

/** Weights, KV cache (eight heads, 16 bits per value) and CUDA context. */
function loadedBytes({ sizeBytes, contextTokens }: DescribedModel): number {
  return sizeBytes + contextTokens * EMBEDDING_LENGTH * 32 + CONTEXT_BYTES;
}
