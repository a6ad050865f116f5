import { describeHold } from '../hold/hold.ts';
import type { HoldView, MemoryView, ModelView, RouterView } from '../http/view-schemas.ts';
import { bytesOn } from '../http/views.ts';
import {
  bytesOrNothing,
  describeActivity,
  describeFailure,
  describeOperation,
  describeOrphan,
  describeProcesses,
  describeStatus,
  factsOf,
  inOrder,
  lastOf,
  NOT_KNOWN,
  spanSince,
} from '../http/words.ts';
import type { Operation } from '../unload/report.ts';
import { formatTable, printable } from './text.ts';

/** Routers and models as the API shows them, read from the routers or from an exporter. */
export interface StateView {
  routers: readonly RouterView[];
  models: readonly ModelView[];
  /** Of the machine of the exporter, or of this one. */
  memory?: MemoryView | undefined;
  /** Only an exporter knows these. */
  holds?: readonly HoldView[];
  operations?: readonly Operation[];
}

/** The state as tables. Routers that are down are left out: their state is unknown. `now` is wall time. */
export function formatState(state: StateView, now: number): string {
  const shown = printable(state);
  const { memory, operations = [] } = shown;
  const sections = shown.routers.filter(({ up }) => up).map((router) => formatRouter(router, shown, now));
  return `${sections.join('')}${memory ? formatGpus(memory) : ''}${formatOperations(operations, now)}`;
}

/** The name of each model once, on a line of its own. */
export function formatNames({ models }: StateView): string {
  const names = new Set(models.map(({ id }) => printable(id)));
  return [...names].map((name) => `${name}\n`).join('');
}

function formatRouter(router: RouterView, state: StateView, now: number): string {
  const { memory, holds = [] } = state;
  const isOwn = (each: { router: string }) => each.router === router.name;
  const models = state.models.filter(isOwn);
  const own = memory?.routers.find(isOwn);
  const byModel = new Map(memory?.models.filter(isOwn).map((held) => [held.model, held]));
  // Without an exporter, no change of status was seen yet.
  const noSince = models.some(({ since }) => since !== null) ? NOT_KNOWN : '';
  const head = ['STATUS', 'MODEL', 'FOR', 'ACTIVITY', 'GPU MEMORY', 'RESIDENT', 'SIZE', 'CONTEXT', 'NOTE'];
  const rows = inOrder(models, ({ status }) => status).map((model) => [
    describeStatus(model.status, model.load_progress),
    model.id,
    model.since === null ? noSince : spanSince(Date.parse(model.since), now),
    activityOf(model, now),
    bytesOrNothing(byModel.get(model.id)?.gpu_bytes),
    bytesOrNothing(byModel.get(model.id)?.resident_bytes),
    bytesOrNothing(model.size_bytes),
    String(model.context_tokens ?? ''),
    describeFailure(model.load_failed, model.since === null),
  ]);
  const ownMemory = [bytesOrNothing(own?.gpu_bytes), bytesOrNothing(own?.resident_bytes)];
  if (ownMemory.join('') !== '') rows.push(['-', '(server)', '', '', ...ownMemory, '', '', '']);
  const holdLines = holds
    .filter((hold) => hold.routers.includes(router.name))
    .map((hold) => `GPU memory is ${describeHold({ ...hold, until: Date.parse(hold.until) }, now)}.\n`);
  return `${router.name}  ${factsOf(router).join(', ')}\n${holdLines.join('')}${formatTable(head, rows)}\n`;
}

function formatGpus({ gpus, models, routers, orphans, lost_gpus }: MemoryView): string {
  const rows = gpus.map((gpu) => {
    const held = (holders: MemoryView['models'] | MemoryView['routers']) => {
      const shares = holders.flatMap(({ gpus: own }) => own);
      return bytesOrNothing(bytesOn(gpu, shares) || null);
    };
    return [
      gpu.gpu,
      gpu.name,
      bytesOrNothing(gpu.used_bytes),
      bytesOrNothing(gpu.total_bytes),
      held(models),
      held(routers),
      bytesOrNothing(gpu.unattributed_bytes),
      describeProcesses(gpu.other_processes).join(', '),
    ];
  });
  const head = ['GPU', 'NAME', 'USED', 'TOTAL', 'MODELS', 'ROUTERS', 'OTHERS', 'LARGEST OTHER PROCESSES'];
  const lost = lost_gpus.map(({ gpu, name, reason }) => `GPU ${gpu} ${name} is lost: ${reason}\n`);
  const notes = [...lost, ...orphans.map((orphan) => `${describeOrphan(orphan)}\n`)].join('');
  if (rows.length === 0) return notes;
  return `GPU memory\n${formatTable(head, rows)}${notes}\n`;
}

function activityOf({ status, busy, last_activity }: ModelView, now: number): string {
  const lastAt = last_activity === null ? undefined : Date.parse(last_activity);
  return describeActivity(status, now, { busy, lastAt });
}

function formatOperations(operations: readonly Operation[], now: number): string {
  const rows = lastOf(operations).map((operation) => {
    const { when, askedBy, outcome, models, note } = describeOperation(operation, now);
    return [when, askedBy, outcome, models, note];
  });
  const head = ['WHEN', 'ASKED BY', 'OUTCOME', 'MODELS', 'NOTE'];
  return rows.length === 0 ? '' : `Last operations\n${formatTable(head, rows)}`;
}
