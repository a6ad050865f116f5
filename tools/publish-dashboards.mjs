// Writes the dashboards for grafana.com and other people's Grafana: `node tools/publish-dashboards.mjs RUNBOOK FOLDER`, with the
// URL of the runbook. The shape is that of Grafana's own "Export for sharing externally": who imports a file is asked for the
// Prometheus (`__inputs`), which becomes the selection of the dashboard's datasource variable.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const [runbook, into] = process.argv.slice(2);
if (!runbook || !into) {
  console.error('node tools/publish-dashboards.mjs RUNBOOK FOLDER');
  process.exit(1);
}

/** The oldest version that the dashboards are made for: docs/install.md. */
const GRAFANA = '12.0.0';

/** Grafana's names of the panels. Its own plugins have no version. */
const PANELS = {
  barchart: 'Bar chart',
  bargauge: 'Bar gauge',
  stat: 'Stat',
  'state-timeline': 'State timeline',
  table: 'Table',
  timeseries: 'Time series',
};

const INPUT = {
  name: 'DS_PROMETHEUS',
  label: 'Prometheus',
  description: 'The Prometheus that scrapes llama-router-exporter.',
  type: 'datasource',
  pluginId: 'prometheus',
  pluginName: 'Prometheus',
};

const folder = fileURLToPath(new URL('../grafana/dashboards', import.meta.url));
mkdirSync(into, { recursive: true });
for (const name of readdirSync(folder)) {
  const text = readFileSync(join(folder, name), 'utf8').replaceAll('docs/runbook.md', runbook);
  const dashboard = published(JSON.parse(text));
  writeFileSync(join(into, `${dashboard.uid}.json`), `${JSON.stringify(dashboard, null, 2)}\n`);
}

function published(dashboard) {
  const { list } = dashboard.templating;
  const current = { selected: true, text: '', value: `\${${INPUT.name}}` };
  return {
    __inputs: [INPUT],
    __elements: {},
    __requires: requirements(dashboard),
    ...dashboard,
    // Set by the Grafana that imports it. Links between the dashboards need the uid.
    id: null,
    editable: true,
    description: `${dashboard.description} Needs llama-router-exporter.`,
    templating: {
      list: list.map((variable) => (variable.type === 'datasource' ? { ...variable, current } : variable)),
    },
  };
}

function requirements({ panels }) {
  const used = new Set(panels.map(({ type }) => type));
  return [
    ...[...used].map((id) => ({ type: 'panel', id, name: PANELS[id], version: '' })),
    { type: 'grafana', id: 'grafana', name: 'Grafana', version: GRAFANA },
    { type: 'datasource', id: 'prometheus', name: 'Prometheus', version: '1.0.0' },
  ].sort((a, b) => (a.id < b.id ? -1 : 1));
}
