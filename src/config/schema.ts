import { z } from 'zod';
import { formatDuration } from '../lib/duration.ts';
import { type AlertBounds, alerts, checkAlerts } from './alerts.ts';
import { discovery } from './discovery.ts';
import {
  choice,
  count,
  duration,
  listenAddress,
  path,
  section,
  text,
  texts,
  toggle,
  urlPath,
} from './fields.ts';
import { isTree } from './layer.ts';
import { idleRules } from './policy.ts';
import { routers } from './routers.ts';
import { tokens } from './tokens.ts';
import { WHEN_BUSY } from './when-busy.ts';

/** Every option there is, with its default, its description and its unit. Durations load as seconds. */
export const configSchema = z
  .strictObject({
    routers,
    discovery,
    web: section('What the service itself serves.', {
      listen_address: listenAddress(':10180', 'Where to listen; without a host on every interface.'),
      telemetry_path: urlPath('/metrics', 'Where Prometheus finds the metrics.'),
      config_file: path(
        '',
        "TLS and users, in the format of Prometheus' web configuration file; empty: none.",
        {
          flag: 'web.config.file',
        },
      ),
    }),
    auth: section('Who may change something; without tokens and users only callers on this machine.', {
      tokens,
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
    alerts,
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
    unload: section('How models are unloaded, whoever asks.', {
      keep: texts(
        'Globs of models that are never unloaded; keep lists of a router and of a request add to it.',
      ),
      when_busy: choice(
        'wait',
        WHEN_BUSY,
        'What happens to a model that is generating, when a request does not say.',
      ),
      busy_timeout: duration('5m', '0s', 'How long a busy model is waited for.'),
      timeout: duration('60s', '1s', 'How long a model may take to be gone, once its unload was ordered.'),
      answer_within: duration('2500ms', '0s', 'When a request that waits is answered, done or not.'),
      cooldown: duration('1m', '0s', 'After an unload, before the next one that nobody asked for in person.'),
      loop_count: count(
        3,
        'So many automatic unloads in a row that are undone within lifecycle.reload_window are a loop.',
        { min: 1 },
      ),
      loop_pause_min: duration(
        '10m',
        '1s',
        'How long the first loop stops automatic unloads; then it doubles.',
      ),
      loop_pause_max: duration('6h', '1s', 'The longest such pause.'),
    }),
    hold: section('Keeping the memory of a router free for a while.', {
      max: duration('24h', '1s', 'The longest that a hold may last.'),
      enforce: toggle(
        false,
        'Whether a model that is loaded during a hold and is idle is unloaded again, where a hold does not say.',
      ),
    }),
    policy: section('What is unloaded because nobody uses it.', {
      idle: idleRules,
      interval: duration('5s', '1s', 'Between two looks at who has been idle for too long.'),
      hold_grace: duration(
        '10s',
        '1s',
        'How long a model that was loaded in spite of an enforced hold must have been idle to be unloaded.',
      ),
    }),
    audit: section('Who asked for what, and what came of it.', {
      file: path('', 'A file of JSON lines that is only ever added to; empty: only the log.'),
    }),
    state: section('What survives a restart: counters, last unloads, holds and operations.', {
      file: path('', 'Where that is kept; empty: nowhere.'),
      interval: duration('30s', '1s', 'How often it is written when something changed.'),
    }),
  })
  .superRefine(checkBounds, { when: ({ value }) => isTree(value) })
  .readonly();

/** The configuration as loaded: the file's own keys, durations in seconds, deeply frozen. */
export type Config = z.output<typeof configSchema>;

export type RouterConfig = Config['routers'][number];

export type DiscoveryConfig = Config['discovery'][number];

export type TokenConfig = Config['auth']['tokens'][number];

interface Bounds {
  readonly routers: readonly unknown[];
  readonly discovery: readonly unknown[];
  readonly alerts: AlertBounds;
  readonly web: { readonly telemetry_path: string };
  readonly engine: { readonly telemetry_path: string };
  readonly follow: { readonly reconnect_min: number; readonly reconnect_max: number };
  readonly unload: { readonly loop_pause_min: number; readonly loop_pause_max: number };
}

/** Compared even when an option is wrong, so that all is reported at once: what is no number is not greater. */
function checkBounds(config: Bounds, ctx: z.core.$RefinementCtx) {
  const { web, engine, follow, unload, alerts: bounds } = config;
  checkAlerts(bounds, ctx);
  checkSomeRouter(config, ctx);
  const spans = [
    { section: 'follow', min: 'reconnect_min', max: 'reconnect_max', values: follow },
    { section: 'unload', min: 'loop_pause_min', max: 'loop_pause_max', values: unload },
  ];
  for (const { section, min, max, values } of spans) {
    const { [min]: shortest = 0, [max]: longest = 0 } = values as Readonly<Record<string, number>>;
    if (!(shortest > longest)) continue;
    const message = `is ${formatDuration(shortest)}, longer than ${max}, ${formatDuration(longest)}: lower the one or raise the other`;
    ctx.addIssue({ code: 'custom', path: [section, min], message });
  }
  if (typeof engine.telemetry_path === 'string' && engine.telemetry_path === web.telemetry_path) {
    const message = `is '${web.telemetry_path}', as web.telemetry_path: to have both there, say publish: together`;
    ctx.addIssue({ code: 'custom', path: ['engine', 'telemetry_path'], message });
  }
}

/** Without any there is nothing to do; it is no fault where they are found. */
function checkSomeRouter({ routers, discovery }: Bounds, ctx: z.core.$RefinementCtx): void {
  if (!Array.isArray(routers) || routers.length > 0 || !Array.isArray(discovery) || discovery.length > 0)
    return;
  const message = 'is empty: give at least one router, or a group of them in discovery';
  ctx.addIssue({ code: 'custom', path: ['routers'], message });
}
