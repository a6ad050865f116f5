import { z } from 'zod';
import { formatDuration } from '../lib/duration.ts';
import { choice, count, duration, listenAddress, path, section, text, urlPath } from './fields.ts';
import { isTree } from './layer.ts';
import { routers } from './routers.ts';

/** Every option there is, with its default, its description and its unit. Durations load as seconds. */
export const configSchema = z
  .strictObject({
    routers,
    web: section('What the service itself serves.', {
      listen_address: listenAddress(':10180', 'Where to listen; without a host on every interface.'),
      telemetry_path: urlPath('/metrics', 'Where Prometheus finds the metrics.'),
    }),
    log: section('What is logged, on standard error.', {
      level: choice('info', ['debug', 'info', 'warn', 'error'], 'The least severe level that is logged.'),
      format: choice('logfmt', ['logfmt', 'json'], 'How a line is written.'),
    }),
    follow: section('How the routers are watched.', {
      listing_interval: duration('30s', '1s', 'Between full listings while the event stream is connected.'),
      polling_interval: duration('2s', '200ms', 'Between full listings where there is no event stream.'),
      request_timeout: duration('5s', '100ms', 'How long any single request to a router may take.'),
      reconnect_min: duration('500ms', '50ms', 'The first wait before reconnecting to an event stream.'),
      reconnect_max: duration('30s', '50ms', 'The longest wait before reconnecting; waits double up to it.'),
    }),
    engine: section("The models' own metrics (llamacpp:*), where llama-server runs with --metrics.", {
      interval: duration('15s', '1s', 'Between two readings of a loaded model.'),
      timeout: duration('3s', '100ms', 'How long a reading may take; it holds up nothing but itself.'),
      keep: duration('5m', '1s', 'How long the last reading is published when none follows.'),
      max_series: count(1000, 'How many series of one model are passed on; whole families beyond are not.'),
      publish: choice(
        'together',
        ['together', 'apart', 'off'],
        "With the exporter's own metrics, apart on engine.telemetry_path, or not; who is busy is known anyway.",
      ),
      telemetry_path: urlPath('/metrics/engine', 'Where they are when they are published apart.'),
    }),
    memory: section('The memory of this machine: per GPU and per model, for routers that run here.', {
      interval: duration('5s', '200ms', 'Between two readings; they are made beside the scrapes.'),
      timeout: duration(
        '3s',
        '100ms',
        'How long any one source may take; a program that takes longer is killed.',
      ),
      nvidia_smi: text('nvidia-smi', "The program that tells of NVIDIA's cards; empty: it is not run."),
    }),
    path: section('Where the kernel tells of processes and cards; elsewhere only in a container.', {
      procfs: path('/proc', "The machine's /proc."),
      sysfs: path('/sys', "The machine's /sys."),
    }),
    lifecycle: section("How a model's life is told.", {
      reload_window: duration('10m', '1s', 'A load this soon after an unload is a reload after unload.'),
    }),
    state: section('What survives a restart: counters and when each model was last unloaded.', {
      file: path('', 'Where that is kept; empty: nowhere.'),
      interval: duration('30s', '1s', 'How often it is written when something changed.'),
    }),
  })
  .superRefine(checkBounds, { when: ({ value }) => isTree(value) })
  .readonly();

/** The configuration as loaded: the file's own keys, durations in seconds, deeply frozen. */
export type Config = z.output<typeof configSchema>;

export type RouterConfig = Config['routers'][number];

interface Bounds {
  readonly web: { readonly telemetry_path: string };
  readonly engine: { readonly telemetry_path: string };
  readonly follow: { readonly reconnect_min: number; readonly reconnect_max: number };
}

/** Compared even when an option is wrong, so that all is reported at once: what is no number is not greater. */
function checkBounds({ web, engine, follow }: Bounds, ctx: z.core.$RefinementCtx) {
  const { reconnect_min: min, reconnect_max: max } = follow;
  if (min > max) {
    const spans = `is ${formatDuration(min)}, longer than reconnect_max, ${formatDuration(max)}`;
    const message = `${spans}: lower the one or raise the other`;
    ctx.addIssue({ code: 'custom', path: ['follow', 'reconnect_min'], message });
  }
  if (typeof engine.telemetry_path === 'string' && engine.telemetry_path === web.telemetry_path) {
    const message = `is '${web.telemetry_path}', as web.telemetry_path: to have both there, say publish: together`;
    ctx.addIssue({ code: 'custom', path: ['engine', 'telemetry_path'], message });
  }
}
