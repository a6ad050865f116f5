import { DashboardLinkBuilder, DashboardLinkType } from '@grafana/grafana-foundation-sdk/dashboard';

/** On every dashboard, so that they link to each other. */
export const TAG = 'llama-router';

/** A path within this project; docs/dashboards.md shows how to change it. */
export const RUNBOOK = 'docs/runbook.md';

export function links() {
  return [
    new DashboardLinkBuilder('Dashboards')
      .type(DashboardLinkType.Dashboards)
      .tags([TAG])
      .includeVars(true)
      .keepTime(true),
    runbookLink(),
  ];
}

export function runbookLink() {
  return new DashboardLinkBuilder('Runbook')
    .type(DashboardLinkType.Link)
    .icon('doc')
    .tooltip('What each alert means and what to do')
    .url(RUNBOOK)
    .targetBlank(true);
}

/** Links to another dashboard with the same variables and time range. */
export function dashboardLink(title: string, uid: string) {
  return new DashboardLinkBuilder(title)
    .type(DashboardLinkType.Link)
    .url(`/d/${uid}?\${__all_variables}&\${__url_time_range}`);
}
