import { unwritableRemedy } from './diagnose-state.ts';
import type { AuditEvidence } from './evidence.ts';
import { type Finding, fine } from './finding.ts';

/** Whether what is done can be written down. */
export function diagnoseAudit(audit: AuditEvidence): Finding {
  const found = (mark: Finding['mark'], cause: Finding['cause'], says: string, remedy: string[]): Finding => {
    return { check: 'audit', mark, cause, says, remedy };
  };
  switch (audit.kind) {
    case 'not_kept':
      return found('note', 'audit_not_kept', 'what is unloaded is in the log only: no audit.file is set', []);
    case 'writable':
      return fine('audit', `${audit.path} can be ${audit.exists ? 'added to' : 'made'}`);
    case 'unwritable':
      return found('fail', 'audit_unwritable', `${audit.path} cannot be written (${audit.code})`, [
        ...unwritableRemedy(audit, 'audit.file'),
        'Until then, what is done is in the log only.',
      ]);
  }
}
