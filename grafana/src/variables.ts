import {
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { CATALOG } from '../../src/metrics/catalog.ts';

/** The selected Prometheus. */
export const DATASOURCE = { type: 'prometheus', uid: '$datasource' };

/** The same on every dashboard, so that selections carry over. */
export function variables() {
  return [
    new DatasourceVariableBuilder('datasource').label('Data source').type('prometheus'),
    choice('instance', 'Exporter', CATALOG.exporter_build_info.name),
    choice('router', 'Router', `${CATALOG.up.name}{instance=~"$instance"}`),
    choice('model', 'Model', `${CATALOG.model_info.name}{instance=~"$instance", router=~"$router"}`),
  ];
}

/** The values of a label; several can be selected, default all. */
function choice(label: string, name: string, from: string) {
  const query = `label_values(${from}, ${label})`;
  return new QueryVariableBuilder(label)
    .label(name)
    .datasource(DATASOURCE)
    .query({ query, refId: label })
    .definition(query)
    .current({ text: ['All'], value: ['$__all'] })
    .multi(true)
    .includeAll(true)
    .allValue('.+')
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.NaturalAsc);
}
