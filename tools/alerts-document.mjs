// docs/alerts.md: the alerts and thresholds of prometheus/rules, for people who run them.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse, parseDocument } from 'yaml';

const read = (file) =>
  readFileSync(fileURLToPath(new URL(`../prometheus/rules/${file}`, import.meta.url)), 'utf8');

export function alertsDocument() {
  return `<!-- Generated from prometheus/rules by \`npm run generate\`: edit tools/alerts-document.mjs or the rules. -->
# Alerts

Ready to use, in \`prometheus/rules\`; [prometheus.yml](../prometheus/prometheus.yml) and
[alertmanager.yml](../alertmanager/alertmanager.yml) load and route them. What each means and what to do:
[runbook.md](runbook.md). Every one has a test that it fires and one that it stays quiet, in \`prometheus/tests\`
(\`promtool test rules prometheus/tests/*.yml\`, with Prometheus 2.42 and 3.5).

| alert | severity | | after | compares with |
|---|---|---|---|---|
${alertRows(read('alerts.yml')).join('\n')}

\`critical\`: nothing is served, or nobody is watching. \`warning\`: somebody should look today. \`info\`: good to know.

## Thresholds

All in [thresholds.yml](../prometheus/rules/thresholds.yml); change them there and reload Prometheus. They are series,
so that a graph can show its limit. How long something must hold is the \`for\` of its alert.

| series | | |
|---|---|---|
${thresholdRows(read('thresholds.yml')).join('\n')}

## What is sent to the exporter

Memory that is full is how an inference machine should be; "full, so unload everything" only makes clients load it all
again. \`LlamaRouterMemoryHeldByIdleModels\` therefore needs both: a full GPU, and a model on that host that has had
nothing to do for a while. It has the label \`action="unload"\`, which Alertmanager routes to
\`POST /api/v1/alertmanager\`, the label \`router\`, and the annotation \`unload_idle_for\` from the same threshold, so
that only idle models go. When they are gone nothing is idle, and the alert ends; the earliest next time is when
another model has become idle. If clients do load again at once what was unloaded, the exporter rests
(\`LlamaRouterUnloadPaused\`).

How soon: 34 to 40 s from the moment when a GPU is full and a model has been idle for long enough, until its memory is
free; 3 to 9 s later the alert is over. 30 s of that are the alert's \`for\`, 0.7 to 2.4 s the operation with its two readings
of memory; the rest are readings, scrapes and three groups of rules, each every 5 s, which may add up to a minute in all.
Measured on two busy cores, twice with each pair of versions: the chain of \`test/e2e/chain.test.ts\` with the times as
shipped, but for the idle time, which comes before; llama-server, Prometheus and Alertmanager were real, nvidia-smi a fake.
With 1 s for every 5 s, and a \`for\` of 2 s, it was 3 and 5 s.

Who is idle is known where llama-server runs with \`--metrics\`, or puts models to sleep (\`--sleep-idle-seconds\`).

Your own alert can do the same: give it \`action: unload\` and \`router\`, and narrow it down with labels or annotations
such as \`unload_models\`, \`unload_keep\`, \`unload_idle_for\`, \`unload_when_busy\` and \`unload_hold\`.

## Which GPU belongs to which router

GPU memory has no router. What the two share is the **host**: the label \`host\` of the target if you set one, else its
\`instance\` without the port. So nothing is to be done where the exporter runs beside its routers and is scraped by the
machine's name, also when another exporter measures the GPU: \`gpu-1:10180\` and \`gpu-1:9400\` are the same host. Else:

- **Targets with other names**, such as containers (\`exporter:10180\`, \`dcgm:9400\`) or pods: give both the same label.

  \`\`\`yaml
  static_configs:
    - targets: ['dcgm:9400']
      labels: { host: gpu-box }
  \`\`\`

  The Helm chart does, with the name of the node: [kubernetes.md](kubernetes.md#memory-of-the-node).

- **A router on another machine than its exporter** would be taken for a neighbour of the exporter's GPUs, and its idle
  models unloaded for nothing. Say where it is:

  \`\`\`yaml
  metric_relabel_configs:
    - { source_labels: [router], regex: attic, target_label: host, replacement: attic }
  \`\`\`

- **Several exporters**: each knows its own routers only, so each needs a route and a receiver of its own in
  Alertmanager, with one more matcher such as \`host="gpu-box"\`.

The host is all that is looked at: on a machine with several GPUs, one full GPU is enough for idle models to go, whichever
GPU they are on. Where that is too much, narrow it down with \`unload_models\` or \`unload_keep\`.

## GPU memory, whoever measures it

\`gpu:memory_used:bytes\`, \`gpu:memory_total:bytes\` and \`gpu:memory_used:ratio\` come from
[gpu-memory.yml](../prometheus/rules/gpu-memory.yml), with \`gpu_uuid\` (without the prefix \`GPU-\`), \`pool\` where it is
told, and \`source\`:

| \`source\` | reads |
|---|---|
${sourceRows(read('gpu-memory.yml')).join('\n')}

\`host:gpu_memory_used:ratio\` is the fullest GPU of each host. Of an AMD APU the pool \`gtt\` counts, where its models
are; of all others \`vram\`. A GPU that several exporters measure has one series for each.

The rules are written after what those exporters' documentation and tests show; none of them has been run with them.

## Links to the runbook

\`runbook_url\` is a path within this project. Where you keep a copy that can be opened:

\`\`\`sh
sed -i 's|docs/runbook.md|https://git.example/llama-router-exporter/docs/runbook.md|' prometheus/rules/alerts.yml
\`\`\`
`;
}

function alertRows(text) {
  return rulesOf(text).map(({ alert, expr, for: after = 'at once', labels, annotations }) => {
    const thresholds = [...expr.matchAll(/llama_router:threshold:(\w+)/g)].map(([, name]) => `\`${name}\``);
    const link = `[${alert}](runbook.md#${alert.toLowerCase()})`;
    return `| ${link} | ${labels.severity} | ${annotations.summary} | ${after} | ${[...new Set(thresholds)].join(', ')} |`;
  });
}

function thresholdRows(text) {
  const rules = parseDocument(text).getIn(['groups', 0, 'rules']);
  return rules.items.map((rule, i) => {
    const [record, value] = [rule.get('record'), /^vector\((.+)\)$/.exec(rule.get('expr'))?.[1]];
    // The comment above the first of a list belongs to the list, as yaml reads it.
    const comment = i === 0 ? rules.commentBefore : rule.commentBefore;
    if (value === undefined || !comment)
      throw new Error(`${record} in thresholds.yml: no vector(…), or no comment`);
    return `| \`${record}\` | ${value} | ${comment.trim().replace(/\s*\n\s*/g, ' ')} |`;
  });
}

function sourceRows(text) {
  const bySource = new Map();
  for (const { expr, labels } of rulesOf(text)) {
    if (!labels?.source) continue;
    const names = bySource.get(labels.source) ?? new Set();
    for (const [name] of expr.matchAll(
      /\b(?:llama_router_gpu|llamaswap|nvidia_smi|node_drm|hw_memory|DCGM_FI|(?:amd_)?gpu_\w+_vram)\w*\b(?!")/g,
    )) {
      if (name !== 'hw_memory_location') names.add(`\`${name}\``);
    }
    bySource.set(labels.source, names);
  }
  return [...bySource].map(([source, names]) => `| \`${source}\` | ${[...names].join(', ')} |`);
}

function rulesOf(text) {
  return parse(text).groups.flatMap(({ rules }) => rules);
}
