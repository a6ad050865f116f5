import * as z from 'zod';
import { WHEN_BUSY } from '../config/when-busy.ts';
import { HOLD_STATES } from '../hold/hold.ts';
import { HOLD_UNLOADS } from '../hold/hold-unloads.ts';
import { FAULT_KINDS, STATUSES } from '../models/feed.ts';
import {
  BUILD_CLASSES,
  ENGINE_METRICS_STATES,
  STREAM_STATES,
  UNLOAD_REASONS,
} from '../models/router-state.ts';

const text = z.string();
const number = z.number();
const flag = z.boolean();
const time = z.iso.datetime();
const texts = z.array(text).readonly();
// Null is unknown.
const textOrNull = text.nullable();
const numberOrNull = number.nullable();
const flagOrNull = flag.nullable();
const timeOrNull = time.nullable();

/** A router as the API shows it. Times are ISO 8601. */
export const routerView = z
  .object({
    name: text,
    url: text,
    up: flagOrNull.describe('Whether the last listing succeeded; null before the first.'),
    fault: z.object({ kind: z.enum(FAULT_KINDS), message: text }).nullable(),
    event_stream: z.enum(STREAM_STATES),
    polling_seconds: numberOrNull.describe(
      'Time between two listings of a router without an event stream while nothing happens on it; null with a stream.',
    ),
    engine_metrics: z
      .enum(ENGINE_METRICS_STATES)
      .describe('Whether the models serve /metrics; without it, busy is unknown.'),
    engine_read: z.enum(['auto', 'on', 'off']).describe('engine.read of the configuration.'),
    unread_models: number.describe(
      'Models in memory that are not read because a read would restart their idle timer: their busy is null.',
    ),
    activity: z
      .enum(['asked', 'reported'])
      .describe(
        'Whether the exporter asks the models if they are busy, or the event stream reports their requests.',
      ),
    kind: text.describe('Of the server: llama-server or llama-swap.'),
    build: textOrNull,
    build_class: z
      .enum(BUILD_CLASSES)
      .describe(
        'What is known of the build: without an event stream, reads of metrics restart idle timers, or do not (reads_exempt).',
      ),
    models_max: numberOrNull.describe('0 is unlimited.'),
    models_autoload: flagOrNull,
    listed_at: timeOrNull,
    malformed_models: texts,
    models: z.record(z.enum(STATUSES), number).describe('The number of models in each status.'),
  })
  .meta({ id: 'Router' });

export type RouterView = z.infer<typeof routerView>;

/** A model as the API shows it. */
export const modelView = z
  .object({
    router: text,
    id: text,
    aliases: texts,
    status: z.enum(STATUSES),
    current: flag.describe('False while the router is down: the status is then the last known one.'),
    since: timeOrNull.describe('Null when the model already had this status at the first listing.'),
    load_failed: flag.describe(
      'The last load failed. While since is null, the router marked the model as failed before monitoring began: ' +
        'by a failed load, a crash, or an unload that killed its process.',
    ),
    load_progress: numberOrNull,
    load_seconds: numberOrNull.describe('Duration of the last load; null when it was not observed.'),
    source: textOrNull,
    quantization: textOrNull,
    parameters: numberOrNull,
    size_bytes: numberOrNull,
    context_tokens: numberOrNull,
    busy: flagOrNull.describe('Null when unknown.'),
    last_activity: timeOrNull,
    last_unload: z
      .object({
        at: time,
        reason: z.enum(UNLOAD_REASONS),
        forced: flag.describe('It did not stop in time, and the router killed it.'),
      })
      .nullable(),
  })
  .meta({ id: 'Model' });

export type ModelView = z.infer<typeof modelView>;

/** A hold as the API shows it. */
export const holdView = z
  .object({
    id: z.uuid(),
    routers: texts,
    holder: text.describe('Whom it is for.'),
    by: text.describe('The caller that placed it.'),
    reason: text,
    since: time,
    until: time,
    state: z
      .enum(HOLD_STATES)
      .describe(
        'preparing: memory is being freed; active: it is free; failed: it could not be freed, and the gate is open again.',
      ),
    why: textOrNull.describe('Why it failed.'),
    need_bytes: numberOrNull,
    unload: z.enum(HOLD_UNLOADS),
    when_busy: z.enum(WHEN_BUSY),
    restore: flag,
    enforce: flag.describe('Whether models loaded during the hold are unloaded when they are idle.'),
    operation: z.uuid().nullable().describe('The operation that unloads for it.'),
  })
  .meta({ id: 'Hold' });

export type HoldView = z.infer<typeof holdView>;

const amounts = {
  total_bytes: numberOrNull,
  used_bytes: numberOrNull,
  unattributed_bytes: numberOrNull.describe(
    'Not attributed to a router, its models or orphans; null if a share of theirs is unknown.',
  ),
};
const pool = z.enum(['vram', 'gtt', 'host']);
const share = z.object({ gpu_uuid: text, pool, bytes: number });
const holder = {
  resident_bytes: numberOrNull,
  gpu_bytes: numberOrNull.describe('On all GPUs; null if none is known.'),
  gpus: z.array(share),
};

/** The last measurement of this machine, as the API shows it. */
export const memoryView = z
  .object({
    measured_at: timeOrNull.describe('Null without a recent measurement.'),
    gpus: z.array(
      z.object({
        gpu: text,
        gpu_uuid: text,
        name: text,
        pci_address: textOrNull,
        integrated: flag.describe(
          'Whether it has no memory of its own: its amounts are those of all pools together.',
        ),
        ...amounts,
        pools: z.array(z.object({ pool, ...amounts })),
        other_processes: z
          .array(z.object({ pid: z.int(), name: text, bytes: number }))
          .describe('The largest that are neither a router nor a model: memory.other_processes.'),
      }),
    ),
    lost_gpus: z.array(z.object({ gpu: text, gpu_uuid: text, name: text, reason: text })),
    models: z.array(z.object({ router: text, model: text, ...holder })),
    routers: z
      .array(z.object({ router: text, ...holder }))
      .describe("The routers' own processes, without those of their models."),
    orphans: z
      .array(z.object({ router: text, model: text, pid: z.int(), ...holder }))
      .describe('Processes of models that are not below their router any more: no listing shows them.'),
    sources: z.array(
      z.object({
        collector: text,
        duration_seconds: number,
        fault: textOrNull,
        warnings: texts,
      }),
    ),
  })
  .meta({ id: 'Memory' });

export type MemoryView = z.infer<typeof memoryView>;
