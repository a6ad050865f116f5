import { CATALOG } from '../metrics/catalog.ts';
import { createSampleCache } from '../metrics/family.ts';
import type { Collector } from './collector.ts';

/** Whether the audit is written; undefined where there is none. */
export function collectAudit(succeeded: () => boolean | undefined): Collector {
  const sheet = createSampleCache();
  return () => [
    sheet(CATALOG.auditSuccessful, (row) => {
      const last = succeeded();
      row({}, last === undefined ? undefined : Number(last));
    }),
  ];
}
