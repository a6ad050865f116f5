// Dashboards, alerts and recording rules of llama-router-exporter as a monitoring mixin: docs/dashboards.md. The folders are copies
// of grafana/dashboards and prometheus/rules, because `jb install …/mixin` fetches this folder alone.
{
  _config+:: {
    llamaRouter: {
      // URL of your copy of docs/runbook.md, for links in alerts and dashboards.
      runbookUrl: 'docs/runbook.md',
      // Thresholds by the last part of their names, such as `model_idle_seconds: 1800`: docs/alerts.md.
      thresholds: {},
    },
  },

  local config = $._config.llamaRouter,
  local linked(text) = std.strReplace(text, 'docs/runbook.md', config.runbookUrl),
  local dashboard(text) = std.parseJson(linked(text)),
  local groups(text) = std.parseYaml(linked(text)).groups,

  local prefix = 'llama_router:threshold:',
  local thresholds = groups(importstr 'rules/thresholds.yml'),
  local known = [rule.record for group in thresholds for rule in group.rules],
  local unknown = [name for name in std.objectFields(config.thresholds) if !std.member(known, prefix + name)],
  assert unknown == [] : 'unknown thresholds: %s. Known: %s' % [std.join(', ', unknown), std.join(', ', known)],
  local changed(rule) =
    local name = std.strReplace(rule.record, prefix, '');
    if std.objectHas(config.thresholds, name) then rule { expr: 'vector(%.12g)' % config.thresholds[name] } else rule,

  grafanaDashboards+:: {
    'llama-router-overview.json': dashboard(importstr 'dashboards/overview.json'),
    'llama-router-model.json': dashboard(importstr 'dashboards/model.json'),
    'llama-router-memory.json': dashboard(importstr 'dashboards/memory.json'),
    'llama-router-operations.json': dashboard(importstr 'dashboards/operations.json'),
    'llama-router-exporter.json': dashboard(importstr 'dashboards/exporter.json'),
  },

  prometheusAlerts+:: {
    groups+: groups(importstr 'rules/alerts.yml'),
  },

  prometheusRules+:: {
    groups+:
      groups(importstr 'rules/gpu-memory.yml') +
      groups(importstr 'rules/hosts.yml') +
      groups(importstr 'rules/idle-models.yml') +
      [group { rules: std.map(changed, group.rules) } for group in thresholds],
  },
}
