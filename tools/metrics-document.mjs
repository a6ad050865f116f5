// Generates docs/metrics.md from the metric catalogue.
import { CATALOG } from '../.build/src/metrics/catalog.js';

export function metricsDocument() {
  const rows = Object.values(CATALOG).map(({ name, type, labels, help }) => {
    const names = labels.map((label) => `\`${label}\``).join(', ');
    return `| \`${name}\` | ${type} | ${names} | ${help.replace(/\|/g, '\\|')} |`;
  });
  return `<!-- Generated from src/metrics/catalog.ts by \`npm run generate\`: edit tools/metrics-document.mjs or the catalogue. -->
# Metrics

\`/metrics\` publishes the observed state of every router and model, which comes from the router's event stream and its
listings. A scrape never loads, wakes or queries a model.

- \`router\` is the configured name, by default host:port. \`model\` is the model's id.
- While a router is down (\`llama_router_up\` 0) the state of its models is not published, because it may have changed.
  Counters stay, so that \`rate()\` and \`increase()\` work across the outage.
- A model that the router no longer lists has no series. If it returns, its counters continue.
- Models that are loaded when the exporter first sees them are not counted as loads.
- The counters of a model start at 0 when it is first seen, so that \`increase()\` sees the first event.

| Metric | Type | Labels | Description |
|---|---|---|---|
${rows.join('\n')}

In addition there are \`process_*\` and \`nodejs_*\` for the exporter's own process, at most fifteen seconds old.

## The models' own metrics

If llama-server runs with \`--metrics\`, below a router or a [llama-swap](llama-swap.md#metrics-of-models), every loaded model has metrics of its own, \`llamacpp:*\`. The exporter passes
them on with names, help and types unchanged and the labels \`router\` and \`model\` added, so that dashboards made for
them work when you select a model. A label of the model's that has one of these names becomes \`exported_router\` or
\`exported_model\`. \`engine.publish\` moves these metrics to a path of their own or hides them; they are read all the same.
\`engine.read\` says whether they are read.

The exporter reads them in the background, every \`engine.interval\` (15 s), from loaded models only, with
\`autoload=false\` and one request per model at a time. A scrape reads nothing. If a model is not read for a while, its last
values stay for \`engine.keep\` (5 min); \`llama_router_model_engine_metrics_age_seconds\` is their age. They disappear with the
model.

Some models are not read at times, so that [no model is kept awake and no eviction is slowed
down](router.md#reading-without-disturbing). Then \`llama_router_model_busy\` and the other series of its activity are absent.

- A model is busy if it is processing requests or has requests waiting. \`llama_router_model_busy\` is absent if that is
  unknown: without \`--metrics\`, or after a failed reading.
- Generated tokens per second, counted when a request ends:
  \`sum by (router, model) (rate(llamacpp:tokens_predicted_total[5m]))\`; prompt tokens:
  \`sum by (router, model) (rate(llamacpp:prompt_tokens_total[5m]))\`. While a request runs,
  \`rate(llamacpp:n_decode_total[1m])\` moves.
- \`llamacpp:prompt_tokens_seconds\` and \`llamacpp:predicted_tokens_seconds\` are averages since the last reading by any
  client: other readers of the model's metrics change what you see. Use the rates.
- Idle for more than an hour: \`time() - llama_router_model_last_activity_timestamp_seconds > 3600\`.
- \`promtool check metrics\` warns about the colon in llama.cpp's names. Prometheus accepts it.

## Why a model was unloaded

| \`reason\` | Observation |
|---|---|
| \`requested\` | This exporter requested the unload, even if the model was busy and the router killed it after its stop timeout |
| \`evicted\` | The router was full (\`--models-max\`), and the next event was the load of another model |
| \`crashed\` | The process ended with an error, and no request for its unload is known |
| \`expired\` | A model of a llama-swap had been idle for its \`ttl\` |
| \`unknown\` | The end itself was not observed, and the listings before and after it show several possible reasons |
| \`external\` | All other cases: an unload by another client, a removed model file, a stop of the router |

The router reports different causes alike, so some cannot be told apart: another client's unload of a model that is
generating ends in a kill, like a crash; another client's unload of a model that is loading looks like a failed load.

\`llama_router_model_forced_stops_total\` counts requested unloads and evictions in which the process did not stop by itself: the
router killed it after its stop timeout, and a client that waited for the memory waited that long (10 s by default). The log has
\`model killed: it did not stop in time\`, the page \`killed\`, the API \`"forced": true\`. See
[Missed requests to exit](router.md#missed-requests-to-exit).

## Which counters are exact?

Those of a llama-swap: [llama-swap](llama-swap.md#which-counters-are-exact). Of a router, builds since b9692 have an event stream, and every event is counted. Older builds, and routers whose stream is not
connected, are polled: listed every \`follow.polling_interval\` (2 s), and every quarter of it (0.5 s) during a load, during an
operation, and for a minute after a change or an operation. \`llama_router_event_stream_connected\` shows which applies. After
an interruption of the stream, the next listing shows what happened meanwhile, as between two polls.

| Counter | With an event stream | Polled |
|---|---|---|
| \`model_loads_total\` | exact | A load is counted even if it ended between two listings, because each process has another port. Further loads of the same model between the same two listings are not |
| \`model_load_failures_total\` | exact | Like loads. Includes models that were loaded and ended with an error between the same two listings |
| \`model_unloads_total\`, all reasons | exact | Like loads |
| … \`requested\` | exact | exact |
| … \`external\` | exact, but for unloads directly before another model starts on a full router | Only if the process ended without an error and no model had to make room |
| … \`evicted\` | exact, but for the same | Inferred: a model that was started needed the place, and no more models were unloaded than places needed. May have been \`external\` |
| … \`crashed\` | exact, but for kills by other clients | Only if no model had to make room, or with another exit code than 1, which is that of a kill. 0 on builds that [kill what they unload](router.md#builds-that-kill-what-they-unload) |
| … \`unknown\` | 0, but after an interruption | All other cases: it ended and was loaded again, or more models were unloaded than had to make room |
| \`model_forced_stops_total\` | exact | Only requested unloads: a kill for an eviction counts as \`unknown\` |
| \`model_sleeps_total\`, \`model_wakes_total\` | exact | Only states that last until a listing. A wake differs from a load by the facts that the router lists of it |
| \`model_reloads_after_unload_total\` | exact | Like loads. \`unload_reason\` is \`unknown\` if both happened between two listings |
| \`model_load_duration_seconds\` | exact | Only loads that a listing showed while loading; exact to the pause between listings |
| \`model_reload_after_unload_seconds\` | exact | Exact to the pause between listings |
| \`events_total\` | exact | 0 |

No counter is ever more than what happened, except that \`evicted\` may include \`external\` unloads and failed loads may include
other ends, as said above. Builds or servers that do not list ports miss what begins and ends between two listings, and where
\`/props\` does not tell \`--models-max\`, evictions are \`unknown\` when polled and \`external\` with an event stream.
`;
}
