// Generates docs/alerts.md from the alerts and thresholds of prometheus/rules.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse, parseDocument } from 'yaml';

const read = (file) =>
  readFileSync(fileURLToPath(new URL(`../prometheus/rules/${file}`, import.meta.url)), 'utf8');

export function alertsDocument() {
  return `<!-- Generated from prometheus/rules by \`npm run generate\`: edit tools/alerts-document.mjs or the rules. -->
# Alerts

Load the alerts and recording rules of \`prometheus/rules\` into Prometheus. [prometheus.yml](../prometheus/prometheus.yml) and
[alertmanager.yml](../alertmanager/alertmanager.yml) show how to load and route them. The [runbook](runbook.md) says what to do
about each alert.

\`\`\`yaml
rule_files:
  - rules/*.yml
\`\`\`

For Prometheus Operator, use the [Helm chart](kubernetes.md#prometheus-operator-and-grafana); with jsonnet, the [mixin](dashboards.md#mixin).

| Alert | Severity | | After | Threshold |
|---|---|---|---|---|
${alertRows(read('alerts.yml')).join('\n')}

\`critical\`: requests are not served, or monitoring is down. \`warning\`: look at it today. \`info\`: for information.

\`promtool test rules prometheus/tests/*.yml\` tests when each alert fires and when it does not (Prometheus 2.42 and 3.5).

## Thresholds

Change them in [thresholds.yml](../prometheus/rules/thresholds.yml) and reload Prometheus. They are series, so graphs can show them.

| Series | Default | |
|---|---|---|
${thresholdRows(read('thresholds.yml')).join('\n')}

## The alert that unloads models

\`LlamaRouterMemoryHeldByIdleModels\` fires when a GPU is full and models on its host are idle. Its label \`action="unload"\` routes it
to \`POST /api/v1/alertmanager\`, and its annotation \`unload_idle_for\` limits the unload to idle models. The alert ends when they are
gone. If clients load the same models again at once, automatic unloads are paused (\`LlamaRouterUnloadPaused\`).

Memory is free 34 to 40 s after a GPU is full and a model is idle long enough, and the alert ends 3 to 9 s later. 30 s of that are
the alert's \`for\`, 0.7 to 2.4 s the operation, and the rest readings, scrapes and rule evaluations every 5 s (measured by
\`test/e2e/chain.test.ts\` with a simulated nvidia-smi).

Idle times need llama-server with \`--metrics\` or \`--sleep-idle-seconds\`.

Your own alerts can do the same: add \`action: unload\`, \`router\` and [options](alertmanager.md#options-of-an-alert).

## Which GPU belongs to which router?

GPUs and routers are joined by **host**: the target's label \`host\`, otherwise its \`instance\` without the port. If an exporter runs
on the machine of its routers and is scraped by the machine's name, this works without configuration: \`gpu-1:10180\` and
\`gpu-1:9400\` are the same host. Otherwise:

- **Targets with other names**, such as containers (\`exporter:10180\`, \`dcgm:9400\`): give them the same label.

  \`\`\`yaml
  static_configs:
    - targets: ['dcgm:9400']
      labels: { host: gpu-box }
  \`\`\`

  The Helm chart sets the [node name](kubernetes.md#memory-of-the-node).

- **A router on another machine than its exporter**: set its host, or its idle models are unloaded when the exporter's GPU is full.

  \`\`\`yaml
  metric_relabel_configs:
    - { source_labels: [router], regex: attic, target_label: host, replacement: attic }
  \`\`\`

- **Several exporters**: give each its own route and receiver in Alertmanager, with another matcher such as \`host="gpu-box"\`.

On a host with several GPUs, one full GPU is enough to unload idle models on all of them. To unload only models on the full one, where
this exporter measures the GPUs, replace the alert for that host by one with \`unload_gpu\`:

\`\`\`yaml
- alert: GpuHeldByIdleModels
  expr: |
    gpu:memory_used:ratio{source="llama-router-exporter",instance="gpu-1:10180"}
      > scalar(llama_router:threshold:gpu_memory_used_ratio)
  for: 30s
  labels: { severity: warning, action: unload, router: main }
  annotations:
    summary: GPU memory is full.
    unload_gpu: '{{ $labels.gpu_uuid }}'
    unload_idle_for: 10m
\`\`\`

## GPU memory from any exporter

[gpu-memory.yml](../prometheus/rules/gpu-memory.yml) records \`gpu:memory_used:bytes\`, \`gpu:memory_total:bytes\` and
\`gpu:memory_used:ratio\` with \`gpu_uuid\` (without the prefix \`GPU-\`; MIG instances, tiles and partitions with their number, as in
\`1d4b/3\`), \`pool\` and \`source\`:

| \`source\` | Series |
|---|---|
${sourceRows(read('gpu-memory.yml')).join('\n')}

\`host:gpu_memory_used:ratio\` is the fullest GPU of each host. Of an AMD APU both pools count together, otherwise \`vram\`. A GPU measured
by several exporters has a series for each. \`amd_smi_exporter\` publishes a percentage of VRAM only, which says little about an APU: there it
counts only if neither this exporter nor node_exporter reports the APU on the same host.

## Links to the runbook

\`runbook_url\` is a path within this project. Point it to your copy:

\`\`\`sh
sed -i 's|docs/runbook.md|https://git.example/llama-router-exporter/docs/runbook.md|' prometheus/rules/alerts.yml
\`\`\`
`;
}

function alertRows(text) {
  return rulesOf(text).map(({ alert, expr, for: after = '-', labels, annotations }) => {
    const thresholds = [...expr.matchAll(/llama_router:threshold:(\w+)/g)].map(([, name]) => `\`${name}\``);
    const link = `[${alert}](runbook.md#${alert.toLowerCase()})`;
    return `| ${link} | ${labels.severity} | ${annotations.summary} | ${after} | ${[...new Set(thresholds)].join(', ')} |`;
  });
}

function thresholdRows(text) {
  const rules = parseDocument(text).getIn(['groups', 0, 'rules']);
  return rules.items.map((rule, i) => {
    const [record, value] = [rule.get('record'), /^vector\((.+)\)$/.exec(rule.get('expr'))?.[1]];
    // yaml attaches the comment above the first item to the list.
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
      /\b(?:llama_router_gpu|llamaswap|nvidia_smi|node_drm|hw_memory|DCGM_FI|xpum_memory|amd_gpu_memory_use|(?:amd_)?gpu_\w+_vram)\w*\b(?!")/g,
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
