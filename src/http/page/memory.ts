import { formatBytes } from '../../lib/bytes.ts';
import type { MemoryView } from '../view-schemas.ts';
import { bytesOn } from '../views.ts';
import { describeProcesses } from '../words.ts';
import { type Html, html } from './html.ts';

type Gpu = MemoryView['gpus'][number];

type Shares = MemoryView['models'][number]['gpus'];

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
 * A bar and a legend for each GPU: the memory of each model, of routers, of orphans, of other processes, and free memory. `order`
 * numbers the models, so that each keeps its colour.
 */
export function memoryBars(
  { gpus, models, routers, orphans }: MemoryView,
  order: ReadonlyMap<string, number>,
): Html[] {
  const measured = gpus.filter(({ total_bytes, used_bytes }) => total_bytes && used_bytes !== null);
  const several = new Set(models.map(({ router }) => router)).size > 1;
  return measured.map((gpu) => {
    const part = (name: string, shares: Shares, look: string) => ({
      name,
      bytes: bytesOn(gpu, shares),
      look,
    });
    const held = models.map(({ router, model, gpus: shares }) => {
      const colour = (order.get(keyOf(router, model)) ?? 0) % COLOURS;
      return part(several ? `${model} on ${router}` : model, shares, `m${colour}`);
    });
    const own = routers.map(({ router, gpus: shares }) => part(`router ${router}`, shares, 'router'));
    const lost = orphans.map(({ model, gpus: shares }) => part(`orphan of ${model}`, shares, 'router'));
    return bar(gpu, held, [...own, ...lost]);
  });
}

/** An unambiguous key for a model of a router. */
export function keyOf(router: string, model: string): string {
  return JSON.stringify([router, model]);
}

function bar(gpu: Gpu, held: readonly Part[], own: readonly Part[]): Html {
  const total = gpu.total_bytes ?? 0;
  const used = gpu.used_bytes ?? 0;
  const parts = partsOf(gpu, held, own);
  const percent = Math.round((100 * used) / total);
  let x = 0;
  const pieces = parts.map(({ bytes, look, name }) => {
    const width = Math.min(LENGTH - x, (LENGTH * bytes) / total);
    const piece = html`<rect class="${look}" x="${x.toFixed(1)}" width="${Math.max(0, width).toFixed(1)}" height="20"><title>${name}: ${formatBytes(bytes)}</title></rect>`;
    x += width;
    return piece;
  });
  const where = gpu.integrated ? ', shared with the system' : '';
  const others = describeProcesses(gpu.other_processes);
  return html`<figure data-key="${gpu.gpu_uuid}">
<figcaption><span><strong>GPU ${gpu.gpu}</strong> ${gpu.name}${where}</span> <span>${formatBytes(used)} of ${formatBytes(total)} used, ${percent} %</span></figcaption>
<svg class="bar" viewBox="0 0 ${LENGTH} 20" preserveAspectRatio="none" role="img" aria-label="${percent} % of GPU ${gpu.gpu} used">${pieces}</svg>
<ul class="legend">${parts.map(({ name, bytes, look }) => html`<li><svg class="key" viewBox="0 0 10 10" aria-hidden="true"><rect class="${look}" width="10" height="10"/></svg>${name} <b>${formatBytes(bytes)}</b></li>`)}</ul>
${others.length === 0 ? '' : html`<p>Largest other processes: ${others.join(', ')}</p>`}
</figure>
`;
}

function partsOf(gpu: Gpu, held: readonly Part[], own: readonly Part[]): Part[] {
  const total = gpu.total_bytes ?? 0;
  const used = gpu.used_bytes ?? 0;
  const others = gpu.unattributed_bytes ?? 0;
  const isShown = ({ bytes }: Part) => bytes >= total * MIN_SHARE;
  const small = held.filter((part) => !isShown(part));
  const rest = Math.max(0, used - sum(held) - sum(own) - others);
  const shown: Part[] = [
    ...held,
    { name: 'smaller models', bytes: sum(small), look: 'm0' },
    ...own,
    { name: 'other processes', bytes: others, look: 'unowned' },
    { name: 'unattributed', bytes: rest, look: 'unowned' },
    { name: 'free', bytes: Math.max(0, total - used), look: 'free' },
  ];
  return shown.filter(isShown);
}

function sum(parts: readonly Part[]): number {
  return parts.reduce((total, { bytes }) => total + bytes, 0);
}
