import type { Reply } from '../backends/llama-server/probe.ts';

/** What one router answered. What was not asked is absent: each answer decides whether the next is of use. */
export interface RouterEvidence {
  name: string;
  url: string;
  hasKey: boolean;
  timeoutSeconds: number;
  /** `address:port` that was connected to. */
  peer?: string;
  props: Reply;
  models?: Reply;
  /** `/v1/models` and `/`, asked only of what does not list its models. */
  openai?: Reply;
  front?: Reply;
  /** Of a model that was listed as loaded; never of another. */
  metrics?: { model: string; reply: Reply };
  events?: Reply;
}

/** What can be done with the state file. */
export type StateEvidence =
  | { kind: 'not_kept' }
  | { kind: 'writable'; path: string; exists: boolean }
  | { kind: 'damaged'; path: string }
  | { kind: 'unreadable'; path: string; code: string }
  | { kind: 'unwritable'; path: string; folder: string; code: string; uid: number | undefined };

/** What can be done with the audit file. */
export type AuditEvidence = Extract<StateEvidence, { kind: 'not_kept' | 'writable' | 'unwritable' }>;
