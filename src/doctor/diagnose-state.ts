import type { StateEvidence } from './evidence.ts';
import { type Finding, fine } from './finding.ts';

/** Whether what should survive a restart does. */
export function diagnoseState(state: StateEvidence): Finding {
  const found = (mark: Finding['mark'], cause: Finding['cause'], says: string, remedy: string[]): Finding => {
    return { check: 'state', mark, cause, says, remedy };
  };
  switch (state.kind) {
    case 'not_kept':
      return found('note', 'state_not_kept', 'nothing survives a restart: no state.file is configured', []);
    case 'writable':
      return fine('state', `${state.path} can be ${state.exists ? 'read and written' : 'made and written'}`);
    case 'damaged':
      return found('warn', 'state_damaged', `${state.path} is damaged, or of another version`, [
        'At its next start, the service sets it aside and begins with counters at 0. Nothing else is lost.',
        'If there is a backup of it, put that in its place before.',
      ]);
    case 'unreadable':
      return found('fail', 'state_unreadable', `${state.path} cannot be read (${state.code})`, [
        'Counters would start at 0: make it readable for the user that the service runs as.',
      ]);
    case 'unwritable':
      return found('fail', 'state_unwritable', `${state.path} cannot be written (${state.code})`, [
        ...unwritableRemedy(state, 'state.file'),
        'Until then, counters start at 0 after every restart.',
      ]);
  }
}

/** What to do about a file that cannot be written; `option` names it. */
export function unwritableRemedy(
  { folder, code, uid }: Pick<Extract<StateEvidence, { kind: 'unwritable' }>, 'folder' | 'code' | 'uid'>,
  option: string,
): string[] {
  switch (code) {
    case 'EISDIR':
      return [`It is a folder: give in ${option} the path of a file, in that folder for example.`];
    case 'ENOTDIR':
      return [`${folder} is a file, not a folder: correct ${option}.`];
    case 'ENOSPC':
    case 'EDQUOT':
      return [`No space is left in ${folder}: make some.`];
    case 'EROFS':
      return [
        `${folder} is read-only: mount a writable volume there, or choose another ${option}.`,
        `Under systemd: StateDirectory=llama-router-exporter and ${option} in it.`,
      ];
    default:
      return [
        `${folder} must be writable for the user that the service runs as${uid === undefined ? '' : ` (here: user ID ${uid})`}.`,
        `See: ls -ld ${folder}`,
      ];
  }
}
