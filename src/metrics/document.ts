import { CATALOG } from './catalog.ts';
import type { Family } from './family.ts';

/** docs/metrics.md: every metric of the catalogue, for people who write queries. */
export function metricsDocument(): string {
  const rows = (Object.values(CATALOG) as Family[]).map(
    ({ name, type, labels, help }) =>
      `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help.replace(/\|/g, '\\|')} |`,
  );
  return `<!-- Generated from src/metrics/catalog.ts by \`npm run generate\`: edit there. -->
# Metrics

One scrape of \`/metrics\` never loads, wakes or asks a model for anything: it writes down what the exporter
believes, which it learnt from the router's event stream and from full listings.

- \`router\` is the configured name, by default host:port. \`model\` is the model's id; its path is never a label.
- While a router is down (\`llama_router_up\` 0) nothing is published about the state of its models: what was true
  before may not be true now. Counters stay, so that \`rate()\` and \`increase()\` go on.
- A model that vanishes from the router vanishes from the scrape. When it comes back its counters go on.
- Models that are there at first sight are not counted as loads.
- Counters of a model begin at 0 when it is first seen, so that \`increase()\` sees the first event.

| metric | type | labels | |
|---|---|---|---|
${rows.join('\n')}

Beside these there are \`process_*\` and \`nodejs_*\` about the exporter's own process, at most five seconds old.

## The models' own metrics

Where llama-server runs with \`--metrics\`, every loaded model has metrics of its own, \`llamacpp:*\`. They are passed
on with names, help and types unchanged and the labels \`router\` and \`model\` added, so that a dashboard made for them
works when it selects a model; \`engine.publish\` puts them on a path of their own or turns that off. (A label that a
model's metrics have under one of these names goes on as \`exported_router\` or \`exported_model\`.)

They are read in the background, every \`engine.interval\` (15 s), from loaded models only, always with
\`autoload=false\` and one request at a time for each model. A model that does not answer keeps its last values for
\`engine.keep\` (5 min); \`llama_router_model_engine_metrics_age_seconds\` tells how old they are. They leave the scrape
with the model.

- Busy is who serves or has requests waiting. \`llama_router_model_busy\` is absent where nobody knows: without
  \`--metrics\`, or when the model did not answer.
- Tokens a second, as they were finished (llama.cpp counts them when a request ends):
  \`sum by (router, model) (rate(llamacpp:tokens_predicted_total[5m]))\`, and of prompts
  \`sum by (router, model) (rate(llamacpp:prompt_tokens_total[5m]))\`. While a request runs,
  \`rate(llamacpp:n_decode_total[1m])\` moves.
- \`llamacpp:prompt_tokens_seconds\` and \`llamacpp:predicted_tokens_seconds\` are averages since somebody last asked:
  whoever else reads a model's metrics takes from what you see. Use the rates.
- Idle for more than an hour: \`time() - llama_router_model_last_activity_timestamp_seconds > 3600\`.
- \`promtool check metrics\` finds fault with the colon in llama.cpp's names. Prometheus does not.

## Why a model was unloaded

| \`reason\` | what was seen |
|---|---|
| \`requested\` | this exporter asked for it, however it ended: also when the model was busy and the router killed it after its stop timeout |
| \`evicted\` | the router was full (\`--models-max\`), and the next thing that happened was the load of another model |
| \`crashed\` | its process ended with an error and nobody is known to have asked for it |
| \`external\` | all else: somebody else's unload, a model file that was removed, or the router itself being stopped |

The router says the same thing of different ends, so some cannot be told apart by anybody who watches from
outside: somebody else's unload of a model that is generating ends in a kill, like a crash; somebody else's
unload of a model that is still loading looks like a failed load.

## Without an event stream

Routers that have no \`/models/sse\` are listed every \`follow.polling_interval\` (2 s by default). Each load is a
new process with another port, and the listing tells the port, so that a load or unload that began and ended
between two listings is still counted; only how long it took is not known. What cannot be seen: more than one
whole load between two listings, and naps that are shorter than the interval. Load durations are then exact to
the polling interval.
`;
}
