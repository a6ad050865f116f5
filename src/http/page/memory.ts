import { formatBytes } from '../../lib/bytes.ts';
import type { GpuMemory, MemoryReading } from '../../memory/reading.ts';
import { type Html, html } from './html.ts';

/** The number of colours in style.ts; more models share them in turn. */
const COLOURS = 8;

/** The length of a bar in SVG units. */
const LENGTH = 1000;

/** Smaller parts of a GPU are an artefact of readings taken one after the other. */
const MIN_SHARE = 0.002;

interface Part {
  name: string;
  bytes: number;
  /** A class in style.ts. */
  look: string;
}

/**
 * A bar and a legend for each GPU: the memory of each model, of other processes, and free memory. `order` numbers the
 * models, so that each keeps its colour.
 */
export function memoryBars({ gpus, models }: MemoryReading, order: ReadonlyMap<string, number>): Html[] {
  const measured = gpus.filter(({ totalBytes, usedBytes }) => totalBytes && usedBytes !== undefined);
  const several = new Set(models.map(({ router }) => router)).size > 1;
  return measured.map((gpu) => {
    const held = models.flatMap(({ router, model, gpus: shares }) =>
      shares
        .filter(({ uuid, pool }) => uuid === gpu.uuid && pool === gpu.pool)
        .map(({ bytes }) => ({
          name: several ? `${model} on ${router}` : model,
          bytes,
          look: `m${(order.get(keyOf(router, model)) ?? 0) % COLOURS}`,
        })),
    );
    return bar(gpu, held);
  });
}

/** An unambiguous key for a model of a router. */
export function keyOf(router: string, model: string): string {
  return JSON.stringify([router, model]);
}

function bar(gpu: GpuMemory, held: readonly Part[]): Html {
  const { totalBytes = 0, usedBytes = 0 } = gpu;
  const parts = partsOf(gpu, held);
  const percent = Math.round((100 * usedBytes) / totalBytes);
  let x = 0;
  const pieces = parts.map(({ bytes, look, name }) => {
    const width = Math.min(LENGTH - x, (LENGTH * bytes) / totalBytes);
    const piece = html`<rect class="${look}" x="${x.toFixed(1)}" width="${Math.max(0, width).toFixed(1)}" height="20"><title>${name}: ${formatBytes(bytes)}</title></rect>`;
    x += width;
    return piece;
  });
  const where = { vram: '', gtt: ', system memory', host: ', shared with the system' }[gpu.pool];
  return html`<figure data-key="${gpu.uuid} ${gpu.pool}">
<figcaption><span><strong>GPU ${gpu.gpu}</strong> ${gpu.name}${where}</span> <span>${formatBytes(usedBytes)} of ${formatBytes(totalBytes)} used, ${percent} %</span></figcaption>
<svg class="bar" viewBox="0 0 ${LENGTH} 20" preserveAspectRatio="none" role="img" aria-label="${percent} % of GPU ${gpu.gpu} used">${pieces}</svg>
<ul class="legend">${parts.map(({ name, bytes, look }) => html`<li><svg class="key" viewBox="0 0 10 10" aria-hidden="true"><rect class="${look}" width="10" height="10"/></svg>${name} <b>${formatBytes(bytes)}</b></li>`)}</ul>
</figure>
`;
}

function partsOf({ totalBytes = 0, usedBytes = 0, unownedBytes }: GpuMemory, held: readonly Part[]): Part[] {
  const isShown = ({ bytes }: Part) => bytes >= totalBytes * MIN_SHARE;
  const small = held.filter((part) => !isShown(part));
  const ours = sum(held);
  const rest = Math.max(0, usedBytes - ours - (unownedBytes ?? 0));
  return [
    ...held.filter(isShown),
    { name: 'smaller models', bytes: sum(small), look: 'm0' },
    { name: 'other processes', bytes: unownedBytes ?? 0, look: 'unowned' },
    { name: 'unattributed', bytes: rest, look: 'unowned' },
    { name: 'free', bytes: Math.max(0, totalBytes - usedBytes), look: 'free' },
  ].filter(isShown);
}

function sum(parts: readonly Part[]): number {
  return parts.reduce((total, { bytes }) => total + bytes, 0);
}
