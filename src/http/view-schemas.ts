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

const time = z.iso.datetime().nullable();

/** A router as the API shows it. Times are ISO 8601; null is unknown. */
export const routerView = z
  .object({
    name: z.string(),
    url: z.string(),
    up: z
      .boolean()
      .nullable()
      .meta({ description: 'Whether the last listing succeeded; null before the first.' }),
    fault: z.object({ kind: z.enum(FAULT_KINDS), message: z.string() }).nullable(),
    event_stream: z.enum(STREAM_STATES),
    polling_seconds: z.number().nullable().meta({
      description:
        'Time between two listings of a router without an event stream while nothing happens on it; null with a stream.',
    }),
    engine_metrics: z.enum(ENGINE_METRICS_STATES).meta({
      description: 'Whether the models serve /metrics; without it, busy is unknown.',
    }),
    engine_read: z.enum(['auto', 'on', 'off']).meta({ description: 'engine.read of the configuration.' }),
    unread_models: z.number().meta({
      description:
        'Models in memory that are not read because a read would restart their idle timer: their busy is null.',
    }),
    activity: z.enum(['asked', 'reported']).meta({
      description:
        'Whether the exporter asks the models if they are busy, or the event stream reports their requests.',
    }),
    kind: z.string().meta({ description: 'Of the server: llama-server or llama-swap.' }),
    build: z.string().nullable(),
    build_class: z.enum(BUILD_CLASSES).meta({
      description:
        'What is known of the build: without an event stream, reads of metrics restart idle timers, or do not (reads_exempt).',
    }),
    models_max: z.number().nullable().meta({ description: '0 is unlimited.' }),
    models_autoload: z.boolean().nullable(),
    listed_at: time,
    malformed_models: z.array(z.string()).readonly(),
    models: z
      .record(z.enum(STATUSES), z.number())
      .meta({ description: 'The number of models in each status.' }),
  })
  .meta({ id: 'Router' });

export type RouterView = z.infer<typeof routerView>;

/** A model as the API shows it. */
export const modelView = z
  .object({
    router: z.string(),
    id: z.string(),
    aliases: z.array(z.string()).readonly(),
    status: z.enum(STATUSES),
    current: z
      .boolean()
      .meta({ description: 'False while the router is down: the status is then the last known one.' }),
    since: time.meta({ description: 'Null when the model already had this status at the first listing.' }),
    load_failed: z.boolean().meta({
      description:
        'The last load failed. While since is null, the router marked the model as failed before monitoring began: ' +
        'by a failed load, a crash, or an unload that killed its process.',
    }),
    load_progress: z.number().nullable(),
    load_seconds: z
      .number()
      .nullable()
      .meta({ description: 'Duration of the last load; null when it was not observed.' }),
    source: z.string().nullable(),
    quantization: z.string().nullable(),
    parameters: z.number().nullable(),
    size_bytes: z.number().nullable(),
    context_tokens: z.number().nullable(),
    busy: z.boolean().nullable().meta({ description: 'Null when unknown.' }),
    last_activity: time,
    last_unload: z
      .object({
        at: z.iso.datetime(),
        reason: z.enum(UNLOAD_REASONS),
        forced: z.boolean().meta({ description: 'It did not stop in time, and the router killed it.' }),
      })
      .nullable(),
  })
  .meta({ id: 'Model' });

export type ModelView = z.infer<typeof modelView>;

/** A hold as the API shows it. */
export const holdView = z
  .object({
    id: z.uuid(),
    routers: z.array(z.string()).readonly(),
    holder: z.string().meta({ description: 'Whom it is for.' }),
    by: z.string().meta({ description: 'The caller that placed it.' }),
    reason: z.string(),
    since: z.iso.datetime(),
    until: z.iso.datetime(),
    state: z.enum(HOLD_STATES).meta({
      description:
        'preparing: memory is being freed; active: it is free; failed: it could not be freed, and the gate is open again.',
    }),
    why: z.string().nullable().meta({ description: 'Why it failed.' }),
    need_bytes: z.number().nullable(),
    unload: z.enum(HOLD_UNLOADS),
    when_busy: z.enum(WHEN_BUSY),
    restore: z.boolean(),
    enforce: z.boolean().meta({
      description: 'Whether models loaded during the hold are unloaded when they are idle.',
    }),
    operation: z.uuid().nullable().meta({ description: 'The operation that unloads for it.' }),
  })
  .meta({ id: 'Hold' });

export type HoldView = z.infer<typeof holdView>;

const bytes = z.number().nullable();
const amounts = {
  total_bytes: bytes,
  used_bytes: bytes,
  unattributed_bytes: bytes.meta({
    description: 'Not attributed to a router, its models or orphans; null if a share of theirs is unknown.',
  }),
};
const pool = z.enum(['vram', 'gtt', 'host']);
const share = z.object({ gpu_uuid: z.string(), pool, bytes: z.number() });
const holder = {
  resident_bytes: bytes,
  gpu_bytes: bytes.meta({ description: 'On all GPUs; null if none is known.' }),
  gpus: z.array(share),
};

/** The last measurement of this machine, as the API shows it. null is unknown. */
export const memoryView = z
  .object({
    measured_at: z.iso.datetime().nullable().meta({ description: 'Null without a recent measurement.' }),
    gpus: z.array(
      z.object({
        gpu: z.string(),
        gpu_uuid: z.string(),
        name: z.string(),
        pci_address: z.string().nullable(),
        integrated: z.boolean().meta({
          description: 'Whether it has no memory of its own: its amounts are those of all pools together.',
        }),
        ...amounts,
        pools: z.array(z.object({ pool, ...amounts })),
        other_processes: z.array(z.object({ pid: z.int(), name: z.string(), bytes: z.number() })).meta({
          description: 'The largest that are neither a router nor a model: memory.other_processes.',
        }),
      }),
    ),
    lost_gpus: z.array(
      z.object({ gpu: z.string(), gpu_uuid: z.string(), name: z.string(), reason: z.string() }),
    ),
    models: z.array(z.object({ router: z.string(), model: z.string(), ...holder })),
    routers: z
      .array(z.object({ router: z.string(), ...holder }))
      .meta({ description: "The routers' own processes, without those of their models." }),
    orphans: z.array(z.object({ router: z.string(), model: z.string(), pid: z.int(), ...holder })).meta({
      description: 'Processes of models that are not below their router any more: no listing shows them.',
    }),
    sources: z.array(
      z.object({
        collector: z.string(),
        duration_seconds: z.number(),
        fault: z.string().nullable(),
        warnings: z.array(z.string()).readonly(),
      }),
    ),
  })
  .meta({ id: 'Memory' });

export type MemoryView = z.infer<typeof memoryView>;
