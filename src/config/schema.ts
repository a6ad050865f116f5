import * as z from 'zod';
import { formatDuration } from '../lib/duration.ts';
import { LOG_LEVELS } from '../lib/logger.ts';
import { parseListenAddresses, parseTelemetryPath } from './address.ts';
import { alerts, checkAlerts } from './alerts.ts';
import { auth } from './auth.ts';
import * as f from './fields.ts';
import { nodesOf } from './options.ts';
import { discovery, routers } from './routers.ts';
import { parseSeconds } from './values.ts';
import { WHEN_BUSY } from './when-busy.ts';

const idleRule = z
  .strictObject({
    models: f.texts('Globs of the models that the rule applies to; empty: all.'),
    after: f.required('duration, at least 1s', 'How long a model must be idle or asleep.', (value) =>
      parseSeconds(value, '1s'),
    ),
  })
  .readonly();

const sections = z.strictObject({
  routers,
  discovery,
  web: f.section('The web server of the exporter.', {
    listen_address: f.option(
      ':10180',
      'list of host:port or unix:/path',
      'Addresses to listen on; without a host: all interfaces. Callers over a Unix socket need a token to act.',
      parseListenAddresses,
      { kind: 'texts' },
    ),
    telemetry_path: f.option('/metrics', 'URL path', 'Path of the metrics.', parseTelemetryPath),
    max_series: f.count(
      1_500_000,
      'Maximum number of series of a scrape; beyond it, models are left out, those never loaded first.',
      { min: 1000 },
    ),
    config_file: f.path(
      '',
      "TLS and users, in the format of Prometheus' web configuration file; empty: none.",
      { flag: 'web.config.file' },
    ),
  }),
  auth,
  log: f.section('The log on standard error.', {
    level: f.choice('info', LOG_LEVELS, 'Lowest severity that is logged.'),
    format: f.choice('logfmt', ['logfmt', 'json'], 'Format of a log line.'),
  }),
  follow: f.section('How routers are followed.', {
    listing_interval: f.duration(
      '30s',
      '1s',
      'Time between listings while the event stream is connected; up to a tenth longer, at random.',
    ),
    polling_interval: f.duration(
      '2s',
      '200ms',
      'Time between listings without an event stream; a quarter of it while something happens.',
    ),
    request_timeout: f.duration('5s', '100ms', 'Timeout of a request to a router.'),
    reconnect_min: f.duration('500ms', '50ms', 'Wait before the first reconnect to an event stream.'),
    reconnect_max: f.duration('30s', '50ms', 'Longest wait before a reconnect; each wait is twice the last.'),
    shard: f.count(0, 'Which share of the routers this exporter follows, counted from 0.'),
    total_shards: f.count(
      1,
      'Number of exporters that share the routers, each with another shard; 1: no sharding.',
      { min: 1 },
    ),
  }),
  engine: f.section("The models' own metrics (llamacpp:*), where llama-server runs with --metrics.", {
    read: f.choice(
      'auto',
      ['auto', 'on', 'off'],
      'Whether they are read: always, never, or (auto) where that keeps no model with an idle timer awake.',
    ),
    interval: f.duration('15s', '1s', 'Time between two reads of a loaded model.'),
    timeout: f.duration('3s', '100ms', 'Timeout of a read.'),
    keep: f.duration('5m', '1s', 'How long the last read is published while later reads fail.'),
    max_series: f.count(1000, 'Maximum number of series per model; further metric families are left out.'),
    publish: f.choice(
      'together',
      ['together', 'apart', 'off'],
      "Where they are published: with the exporter's own metrics, on engine.telemetry_path, or nowhere. They are read all the same.",
    ),
    telemetry_path: f.option(
      '/metrics/engine',
      'URL path',
      'Path of these metrics with publish: apart.',
      parseTelemetryPath,
    ),
  }),
  alerts,
  memory: f.section('Memory of this machine, per GPU and per model of its routers.', {
    interval: f.duration('5s', '200ms', 'Time between two measurements; they are independent of scrapes.'),
    timeout: f.duration('3s', '100ms', 'Timeout of each source; a program that exceeds it is killed.'),
    nvidia_smi: f.text(
      'nvidia-smi',
      'Program that measures NVIDIA GPUs; empty: none. Another than the default must exist.',
    ),
    other_processes: f.count(
      5,
      'Number of other processes on each GPU that page, list and API name; 0: none.',
      { max: 100 },
    ),
  }),
  path: f.section('Paths of the kernel file systems, for an exporter in a container.', {
    procfs: f.path('/proc', "The machine's /proc."),
    sysfs: f.path('/sys', "The machine's /sys."),
  }),
  lifecycle: f.section('How changes of status are interpreted.', {
    reload_window: f.duration(
      '10m',
      '1s',
      'A load within this time of an unload counts as a reload after unload.',
    ),
  }),
  unload: f.section('How models are unloaded.', {
    keep: f.texts('Globs of models that are never unloaded; routers and requests can add to them.'),
    when_busy: f.choice('wait', WHEN_BUSY, 'What to do with a busy model when the request does not say.'),
    busy_timeout: f.duration('5m', '0s', 'How long to wait for a busy model.'),
    timeout: f.duration('60s', '1s', 'How long a model may take to stop after its unload was requested.'),
    answer_within: f.duration('2500ms', '0s', 'Time after which a waiting request is answered, done or not.'),
    cooldown: f.duration('1m', '0s', 'Minimum time between an unload and the next automatic one.'),
    loop_count: f.count(
      3,
      'Number of consecutive automatic unloads, each undone within lifecycle.reload_window, that count as a reload loop.',
      { min: 1 },
    ),
    loop_pause_min: f.duration(
      '10m',
      '1s',
      'Pause of automatic unloads after a first loop; then it doubles.',
    ),
    loop_pause_max: f.duration('6h', '1s', 'Longest such pause.'),
  }),
  load: f.section('How models are loaded on request.', {
    timeout: f.duration(
      '10m',
      '1s',
      'How long a model may take until it is loaded, when the request does not say.',
    ),
  }),
  hold: f.section('Holds, which keep the memory of a router free.', {
    max: f.duration('24h', '1s', 'Longest duration of a hold.'),
    enforce: f.toggle(false, 'Unload idle models that are loaded during a hold, when the hold does not say.'),
  }),
  policy: f.section('Unloading of idle models.', {
    idle: f.list(
      'policy.idle',
      'Idle rules: a list of mappings with these keys. The first rule that matches a model applies.',
      idleRule,
    ),
    interval: f.duration('5s', '1s', 'Time between two checks for idle models.'),
    hold_grace: f.duration(
      '10s',
      '1s',
      'How long a model loaded during an enforced hold must be idle before it is unloaded.',
    ),
  }),
  audit: f.section('The audit log: who requested which operation, and its result.', {
    file: f.path('', 'File to append JSON lines to; empty: none.'),
  }),
  state: f.section('What survives a restart: counters, last unloads, holds and operations.', {
    file: f.path('', 'File with the state; empty: nothing is kept.'),
    interval: f.duration('30s', '1s', 'Time between two writes.'),
  }),
});

/** Every option with its default and description. Durations load as seconds. */
export const configSchema = f.checked(sections, checkBounds).readonly();

/** Every section and option of the configuration file. */
export const CONFIG_NODES = nodesOf(configSchema);

/** The same without sections. */
export const CONFIG_OPTIONS = CONFIG_NODES.filter(({ kind }) => kind !== 'section');

/** The loaded configuration: the keys of the file, durations in seconds, deeply frozen. */
export type Config = z.output<typeof configSchema>;

export type RouterConfig = Config['routers'][number];

export type DiscoveryConfig = Config['discovery'][number];

export type TokenConfig = Config['auth']['tokens'][number];

function checkBounds(config: z.output<typeof sections>, wrong: f.Wrong): void {
  const { web, engine } = config;
  for (const [section, key] of [
    ['follow', 'reconnect'],
    ['unload', 'loop_pause'],
  ] as const) {
    const { [`${key}_min`]: min = 0, [`${key}_max`]: max = 0 } = config[section] as Record<string, number>;
    if (!(min > max)) continue;
    const longest = `${key}_max, ${formatDuration(max)}`;
    const message = `is ${formatDuration(min)}, longer than ${longest}: lower it or raise the other`;
    wrong([section, `${key}_min`], message);
  }
  const { shard, total_shards: total } = config.follow;
  if (shard >= total)
    wrong(['follow', 'shard'], `is ${shard}: with total_shards ${total}, at most ${total - 1}`);
  checkAlerts(config.alerts, wrong);
  if (typeof engine.telemetry_path === 'string' && engine.telemetry_path === web.telemetry_path) {
    const message = `is '${web.telemetry_path}' like web.telemetry_path: for one path, set publish: together`;
    wrong(['engine', 'telemetry_path'], message);
  }
  if (f.isEmptyList(config.routers) && f.isEmptyList(config.discovery)) {
    wrong(['routers'], 'is empty: add a router, or a group in discovery');
  }
}
