import { DashboardLinkBuilder, DashboardLinkType } from '@grafana/grafana-foundation-sdk/dashboard';

/** On every dashboard, so that each finds the others. */
export const TAG = 'llama-router';

/** A path within this project, as in the alerts: docs/dashboards.md tells how to make it one that can be opened. */
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
    .tooltip('What each alert means, and what to do')
    .url(RUNBOOK)
    .targetBlank(true);
}

/** To another dashboard of ours, with what is chosen and the time that is shown. */
export function dashboardLink(title: string, uid: string) {
  return new DashboardLinkBuilder(title)
    .type(DashboardLinkType.Link)
    .url(`/d/${uid}?\${__all_variables}&\${__url_time_range}`);
}
