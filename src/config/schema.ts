import * as z from 'zod';
import { formatDuration } from '../lib/duration.ts';
import { LOG_LEVELS } from '../lib/logger.ts';
import { failed, ok } from '../lib/result.ts';
import { Secret } from '../lib/secret.ts';
import { parseListenAddresses, parseTelemetryPath } from './address.ts';
import { alerts, checkAlerts } from './alerts.ts';
import {
  choice,
  count,
  duration,
  list,
  option,
  path,
  required,
  section,
  text,
  texts,
  toggle,
} from './fields.ts';
import { isTree } from './layer.ts';
import { nodesOf } from './options.ts';
import { discovery, routers } from './routers.ts';
import { type Parsed, parseSeconds, parseVisibleText, UNUSABLE } from './values.ts';
import { WHEN_BUSY } from './when-busy.ts';

const token = z
  .strictObject({
    name: required('text', 'Name of the client in logs and operations.', parseClientName),
    token: required(
      'secret',
      'What the client sends as `Authorization: Bearer`: at least 16 characters.',
      parseToken,
      { kind: 'secret', env: 'LLAMA_ROUTER_EXPORTER_TOKEN' },
    ),
    routers: texts('Globs of the routers that the client may act on; empty: all.'),
    dry_run: toggle(false, 'Allow only dry runs.'),
  })
  .readonly();

const tokens = list('auth.tokens', 'Bearer tokens: a list of mappings with these keys.', token, [
  'name',
  'token',
]);

const idleRule = z
  .strictObject({
    models: texts('Globs of the models that the rule applies to; empty: all.'),
    after: required('duration, at least 1s', 'How long a model must be idle or asleep.', (value) =>
      parseSeconds(value, '1s'),
    ),
  })
  .readonly();

const sections = z.strictObject({
  routers,
  discovery,
  web: section('The web server of the exporter.', {
    listen_address: option(
      ':10180',
      'list of host:port or unix:/path',
      'Addresses to listen on; without a host: all interfaces. Callers over a Unix socket need a token to act.',
      parseListenAddresses,
      { kind: 'texts' },
    ),
    telemetry_path: option('/metrics', 'URL path', 'Path of the metrics.', parseTelemetryPath),
    max_series: count(
      1_500_000,
      'Maximum number of series of a scrape; beyond it, models are left out, those never loaded first.',
      { min: 1000 },
    ),
    config_file: path(
      '',
      "TLS and users, in the format of Prometheus' web configuration file; empty: none.",
      { flag: 'web.config.file' },
    ),
  }),
  auth: section('Write access. Without tokens and users, only callers on this machine have it.', {
    tokens,
  }),
  log: section('The log on standard error.', {
    level: choice('info', LOG_LEVELS, 'Lowest severity that is logged.'),
    format: choice('logfmt', ['logfmt', 'json'], 'Format of a log line.'),
  }),
  follow: section('How routers are followed.', {
    listing_interval: duration(
      '30s',
      '1s',
      'Time between listings while the event stream is connected; up to a tenth longer, at random.',
    ),
    polling_interval: duration(
      '2s',
      '200ms',
      'Time between listings without an event stream; a quarter of it while something happens.',
    ),
    request_timeout: duration('5s', '100ms', 'Timeout of a request to a router.'),
    reconnect_min: duration('500ms', '50ms', 'Wait before the first reconnect to an event stream.'),
    reconnect_max: duration('30s', '50ms', 'Longest wait before a reconnect; each wait is twice the last.'),
    shard: count(0, 'Which share of the routers this exporter follows, counted from 0.'),
    total_shards: count(
      1,
      'Number of exporters that share the routers, each with another shard; 1: no sharding.',
      { min: 1 },
    ),
  }),
  engine: section("The models' own metrics (llamacpp:*), where llama-server runs with --metrics.", {
    read: choice(
      'auto',
      ['auto', 'on', 'off'],
      'Whether they are read: always, never, or (auto) where that keeps no model with an idle timer awake.',
    ),
    interval: duration('15s', '1s', 'Time between two reads of a loaded model.'),
    timeout: duration('3s', '100ms', 'Timeout of a read.'),
    keep: duration('5m', '1s', 'How long the last read is published while later reads fail.'),
    max_series: count(1000, 'Maximum number of series per model; further metric families are left out.'),
    publish: choice(
      'together',
      ['together', 'apart', 'off'],
      "Where they are published: with the exporter's own metrics, on engine.telemetry_path, or nowhere. They are read all the same.",
    ),
    telemetry_path: option(
      '/metrics/engine',
      'URL path',
      'Path of these metrics with publish: apart.',
      parseTelemetryPath,
    ),
  }),
  alerts,
  memory: section('Memory of this machine, per GPU and per model of its routers.', {
    interval: duration('5s', '200ms', 'Time between two measurements; they are independent of scrapes.'),
    timeout: duration('3s', '100ms', 'Timeout of each source; a program that exceeds it is killed.'),
    nvidia_smi: text(
      'nvidia-smi',
      'Program that measures NVIDIA GPUs; empty: none. Another than the default must exist.',
    ),
    other_processes: count(
      5,
      'Number of other processes on each GPU that page, list and API name; 0: none.',
      { max: 100 },
    ),
  }),
  path: section('Paths of the kernel file systems, for an exporter in a container.', {
    procfs: path('/proc', "The machine's /proc."),
    sysfs: path('/sys', "The machine's /sys."),
  }),
  lifecycle: section('How changes of status are interpreted.', {
    reload_window: duration(
      '10m',
      '1s',
      'A load within this time of an unload counts as a reload after unload.',
    ),
  }),
  unload: section('How models are unloaded.', {
    keep: texts('Globs of models that are never unloaded; routers and requests can add to them.'),
    when_busy: choice('wait', WHEN_BUSY, 'What to do with a busy model when the request does not say.'),
    busy_timeout: duration('5m', '0s', 'How long to wait for a busy model.'),
    timeout: duration('60s', '1s', 'How long a model may take to stop after its unload was requested.'),
    answer_within: duration('2500ms', '0s', 'Time after which a waiting request is answered, done or not.'),
    cooldown: duration('1m', '0s', 'Minimum time between an unload and the next automatic one.'),
    loop_count: count(
      3,
      'Number of consecutive automatic unloads, each undone within lifecycle.reload_window, that count as a reload loop.',
      { min: 1 },
    ),
    loop_pause_min: duration('10m', '1s', 'Pause of automatic unloads after a first loop; then it doubles.'),
    loop_pause_max: duration('6h', '1s', 'Longest such pause.'),
  }),
  load: section('How models are loaded on request.', {
    timeout: duration(
      '10m',
      '1s',
      'How long a model may take until it is loaded, when the request does not say.',
    ),
  }),
  hold: section('Holds, which keep the memory of a router free.', {
    max: duration('24h', '1s', 'Longest duration of a hold.'),
    enforce: toggle(false, 'Unload idle models that are loaded during a hold, when the hold does not say.'),
  }),
  policy: section('Unloading of idle models.', {
    idle: list(
      'policy.idle',
      'Idle rules: a list of mappings with these keys. The first rule that matches a model applies.',
      idleRule,
    ),
    interval: duration('5s', '1s', 'Time between two checks for idle models.'),
    hold_grace: duration(
      '10s',
      '1s',
      'How long a model loaded during an enforced hold must be idle before it is unloaded.',
    ),
  }),
  audit: section('The audit log: who requested which operation, and its result.', {
    file: path('', 'File to append JSON lines to; empty: none.'),
  }),
  state: section('What survives a restart: counters, last unloads, holds and operations.', {
    file: path('', 'File with the state; empty: nothing is kept.'),
    interval: duration('30s', '1s', 'Time between two writes.'),
  }),
});

/** Every option with its default and description. Durations load as seconds. */
export const configSchema = sections
  .superRefine(checkBounds, { when: ({ value }) => isTree(value) })
  .readonly();

/** Every section and option of the configuration file. */
export const CONFIG_NODES = nodesOf(configSchema);

/** The same without sections. */
export const CONFIG_OPTIONS = CONFIG_NODES.filter(({ kind }) => kind !== 'section');

/** The loaded configuration: the keys of the file, durations in seconds, deeply frozen. */
export type Config = z.output<typeof configSchema>;

export type RouterConfig = Config['routers'][number];

export type DiscoveryConfig = Config['discovery'][number];

export type TokenConfig = Config['auth']['tokens'][number];

/** Runs also when an option is invalid (and then of any type), to report all problems at once. */
function checkBounds(config: z.output<typeof sections>, ctx: z.core.$RefinementCtx) {
  const { web, engine } = config;
  const wrong = (path: string[], message: string) => ctx.addIssue({ code: 'custom', path, message });
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
  checkAlerts(config.alerts, ctx);
  if (typeof engine.telemetry_path === 'string' && engine.telemetry_path === web.telemetry_path) {
    const message = `is '${web.telemetry_path}' like web.telemetry_path: for one path, set publish: together`;
    wrong(['engine', 'telemetry_path'], message);
  }
  const isEmpty = (list: unknown) => Array.isArray(list) && list.length === 0;
  if (isEmpty(config.routers) && isEmpty(config.discovery)) {
    wrong(['routers'], 'is empty: add a router, or a group in discovery');
  }
}

function parseClientName(value: unknown): Parsed<string> {
  if (value !== 'loopback') return parseVisibleText(value);
  return failed("'loopback' is the name of callers without a token: choose another");
}

/** Shorter tokens can be guessed, the header ends a token at a space, and many clients send only ASCII. */
const TOKEN = /^[\x21-\x7e]{16,}$/;

function parseToken(value: unknown): Parsed<Secret> {
  if (!(value instanceof Secret)) return failed('is missing: give it here or as token_file');
  if (value === UNUSABLE || TOKEN.test(value.reveal())) return ok(value);
  return failed(
    "must be at least 16 ASCII letters, digits or punctuation, for example from 'openssl rand -hex 32'",
  );
}
