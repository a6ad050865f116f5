import { describeHold } from '../hold/hold.ts';
import type { HoldView, ModelView, RouterView } from '../http/views.ts';
import {
  describeActivity,
  describeOperation,
  describeStatus,
  factsOf,
  inOrder,
  LAST_LOAD_FAILED,
  lastOf,
  measuresOf,
  NOT_KNOWN,
  spanSince,
} from '../http/words.ts';
import { formatBytes } from '../lib/bytes.ts';
import type { ModelMemory } from '../memory/reading.ts';
import type { Operation } from '../unload/report.ts';
import { formatTable, printable } from './text.ts';

/** Routers and models as the API shows them, read from the routers or from an exporter. */
export interface StateView {
  routers: readonly RouterView[];
  models: readonly ModelView[];
  /** Only an exporter knows these. */
  holds?: readonly HoldView[];
  operations?: readonly Operation[];
}

/** The state as tables. Routers that are down are left out: their state is unknown. `now` is wall time. */
export function formatState(state: StateView, memory: readonly ModelMemory[], now: number): string {
  const { routers, models, holds = [], operations = [] } = printable(state);
  const measured = printable(memory);
  const sections = routers
    .filter(({ up }) => up)
    .map((router) =>
      formatRouter(
        router,
        models.filter((model) => model.router === router.name),
        holds.find((hold) => hold.router === router.name),
        measured.filter((each) => each.router === router.name),
        now,
      ),
    );
  return `${sections.join('')}${formatOperations(operations, now)}`;
}

function formatRouter(
  router: RouterView,
  models: readonly ModelView[],
  hold: HoldView | undefined,
  memory: readonly ModelMemory[],
  now: number,
): string {
  const byModel = new Map(memory.map((each) => [each.model, each]));
  const measures = measuresOf(memory);
  // Without an exporter, no change of status was seen yet.
  const showsSince = models.some(({ since }) => since !== null);
  const head = ['STATUS', 'MODEL'];
  if (showsSince) head.push('FOR');
  head.push('ACTIVITY', ...measures.map(({ label }) => label.toUpperCase()), 'SIZE', 'CONTEXT', 'NOTE');
  const rows = inOrder(models, ({ status }) => status).map((model) => {
    const cells = [describeStatus(model.status, model.load_progress), model.id];
    if (showsSince) cells.push(model.since === null ? NOT_KNOWN : spanSince(Date.parse(model.since), now));
    cells.push(activityOf(model, now), ...measures.map(({ of }) => of(byModel.get(model.id))));
    cells.push(model.size_bytes === null ? '' : formatBytes(model.size_bytes));
    cells.push(model.context_tokens === null ? '' : String(model.context_tokens));
    cells.push(model.load_failed ? LAST_LOAD_FAILED : '');
    return cells;
  });
  const held =
    hold === undefined
      ? ''
      : `GPU memory is ${describeHold({ ...hold, until: Date.parse(hold.until) }, now)}.\n`;
  return `${router.name}  ${factsOf(router).join(', ')}\n${held}${formatTable([head, ...rows])}\n`;
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
  return rows.length === 0 ? '' : `Last operations\n${formatTable([head, ...rows])}`;
}
