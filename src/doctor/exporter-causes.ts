import type { FileEvidence } from './files.ts';
import type { KnownCause } from './finding.ts';

export const STATE_CAUSES: readonly KnownCause<FileEvidence>[] = [
  {
    cause: 'state_not_kept',
    mark: 'note',
    when: ({ kind }) => kind === 'unset',
    says: 'counters and holds are lost at a restart: state.file is not set',
  },
  {
    cause: 'state_damaged',
    mark: 'warn',
    when: ({ kind }) => kind === 'damaged',
    says: ({ path }) => `${path} is damaged, or of another version`,
    remedy: [
      'Restore a backup of it, if there is one. Otherwise the service renames it at its next start, and counters begin at 0.',
    ],
  },
  {
    cause: 'state_unreadable',
    when: ({ kind }) => kind === 'unreadable',
    says: ({ path, code }) => `${path} cannot be read (${code})`,
    remedy: ['Make it readable for the user of the service. Until then, counters begin at 0.'],
  },
  {
    cause: 'state_unwritable',
    when: ({ kind }) => kind === 'unwritable',
    says: ({ path, code }) => `${path} cannot be written (${code})`,
    remedy: (file) => [
      ...makeWritable(file, 'state.file'),
      'Until then, counters begin at 0 after every restart.',
    ],
  },
  {
    cause: 'fine',
    mark: 'ok',
    when: () => true,
    says: ({ path, kind }) => `${path} can be ${kind === 'new' ? 'created' : 'read and written'}`,
  },
];

export const AUDIT_CAUSES: readonly KnownCause<FileEvidence>[] = [
  {
    cause: 'audit_not_kept',
    mark: 'note',
    when: ({ kind }) => kind === 'unset',
    says: 'operations are only in the log: audit.file is not set',
  },
  {
    cause: 'audit_unwritable',
    when: ({ kind }) => kind === 'unwritable',
    says: ({ path, code }) => `${path} cannot be written (${code})`,
    remedy: (file) => [...makeWritable(file, 'audit.file'), 'Until then, operations are only in the log.'],
  },
  {
    cause: 'fine',
    mark: 'ok',
    when: () => true,
    says: ({ path, kind }) => `${path} can be ${kind === 'new' ? 'created' : 'appended to'}`,
  },
];

export const SOCKET_CAUSES: readonly KnownCause<FileEvidence>[] = [
  {
    cause: 'socket_impossible',
    when: ({ kind }) => kind === 'unwritable',
    says: ({ path, code }) => `the service cannot listen on ${path} (${code})`,
    remedy: (file) => {
      if (file.code === 'ENOTSOCK')
        return ['It exists and is not a socket: choose another path for web.listen_address.'];
      if (file.code !== 'ENOENT') return makeWritable(file, 'web.listen_address');
      return [
        `Create ${file.folder}. With systemd: RuntimeDirectory=llama-router-exporter, and the socket in that folder.`,
      ];
    },
  },
  {
    cause: 'fine',
    mark: 'ok',
    when: () => true,
    says: ({ path }) => `the service can listen on ${path}; callers need a token to act`,
  },
];

/** How to make a file writable; `option` names it in the configuration. */
function makeWritable({ folder, code, uid }: FileEvidence, option: string): string[] {
  switch (code) {
    case 'EISDIR':
      return [`It is a folder: set ${option} to the path of a file.`];
    case 'ENOTDIR':
      return [`${folder} is a file, not a folder: correct ${option}.`];
    case 'ENOSPC':
    case 'EDQUOT':
      return [`Free space in ${folder}: none is left.`];
    case 'EROFS':
      return [
        `${folder} is read-only: mount a writable volume there, or change ${option}.`,
        `With systemd: StateDirectory=llama-router-exporter, and ${option} in that folder.`,
      ];
    default:
      return [
        `Make ${folder} writable for the user of the service${uid === undefined ? '' : ` (user ID here: ${uid})`}.`,
        `To see its mode: ls -ld ${folder}`,
      ];
  }
}
