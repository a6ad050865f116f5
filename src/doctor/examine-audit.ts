import { dirname } from 'node:path';
import type { AuditEvidence } from './evidence.ts';
import { examinePlace, look, obstacle, refusalOf } from './place.ts';

/** Looks whether the audit file can be added to, or made; changes nothing. */
export function examineAudit(path: string): AuditEvidence {
  if (path === '') return { kind: 'not_kept' };
  const exists = look(path) === 'file';
  // A file that is there is added to: its folder need not be writable.
  const refusal = exists ? refusalOf(path) : undefined;
  const place = exists ? undefined : examinePlace(path);
  const found = refusal ? obstacle(refusal, dirname(path)) : place;
  if (found?.kind !== 'obstacle') return { kind: 'writable', path, exists };
  const { folder, code, uid } = found;
  return { kind: 'unwritable', path, folder, code, uid };
}
