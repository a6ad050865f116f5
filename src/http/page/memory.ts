import { formatBytes } from '../../lib/bytes.ts';
import type { GpuMemory, MemoryReading } from '../../memory/reading.ts';
import { type Html, html } from './html.ts';

/** So many colours there are for models; with more, neighbours still differ. */
const COLOURS = 8;

/** Units of a bar from end to end. */
const LENGTH = 1000;

/** Less is what reading one thing after the other makes of nothing. */
const WORTH_A_WORD = 0.002;

interface Part {
  name: string;
  bytes: number;
  /** Of the style sheet. */
  look: string;
}

/**
 * A bar for each GPU: what each model holds of it, what is not ours, what is free. Its legend says the same in
 * words. `order` numbers the models, so that each keeps its colour.
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

/** One name for a model of a router, whatever the two are called. */
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
  const where =
    gpu.pool === 'vram' ? '' : gpu.pool === 'gtt' ? ', of the machine’s memory' : ', shared with the machine';
  return html`<figure data-key="${gpu.uuid} ${gpu.pool}">
<figcaption><span><strong>GPU ${gpu.gpu}</strong> ${gpu.name}${where}</span> <span>${formatBytes(usedBytes)} of ${formatBytes(totalBytes)} used, ${percent} %</span></figcaption>
<svg class="bar" viewBox="0 0 ${LENGTH} 20" preserveAspectRatio="none" role="img" aria-label="${percent} % of GPU ${gpu.gpu} used">${pieces}</svg>
<ul class="legend">${parts.map(({ name, bytes, look }) => html`<li><svg class="key" viewBox="0 0 10 10" aria-hidden="true"><rect class="${look}" width="10" height="10"/></svg>${name} <b>${formatBytes(bytes)}</b></li>`)}</ul>
</figure>
`;
}

/** What is used and neither a model's nor known to be somebody else's is not told whose it is. */
function partsOf({ totalBytes = 0, usedBytes = 0, unownedBytes }: GpuMemory, held: readonly Part[]): Part[] {
  const isWorthAWord = ({ bytes }: Part) => bytes >= totalBytes * WORTH_A_WORD;
  const small = held.filter((part) => !isWorthAWord(part));
  const ours = sum(held);
  const rest = Math.max(0, usedBytes - ours - (unownedBytes ?? 0));
  return [
    ...held.filter(isWorthAWord),
    { name: 'smaller models', bytes: sum(small), look: 'm0' },
    { name: 'not ours', bytes: unownedBytes ?? 0, look: 'unowned' },
    { name: 'used, not known by whom', bytes: rest, look: 'unowned' },
    { name: 'free', bytes: Math.max(0, totalBytes - usedBytes), look: 'free' },
  ].filter(isWorthAWord);
}

function sum(parts: readonly Part[]): number {
  return parts.reduce((total, { bytes }) => total + bytes, 0);
}
