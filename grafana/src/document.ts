import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { exporter } from './exporter.ts';
import { memory } from './memory.ts';
import { model } from './model.ts';
import { operations } from './operations.ts';
import { overview } from './overview.ts';

/** The files of grafana/dashboards. */
export const overviewDashboard = () => rendered(overview);
export const modelDashboard = () => rendered(model);
export const memoryDashboard = () => rendered(memory);
export const operationsDashboard = () => rendered(operations);
export const exporterDashboard = () => rendered(exporter);

function rendered(dashboard: Dashboard): string {
  return `${JSON.stringify(dashboard, null, 2)}\n`;
}
