import type { DescribedModel } from './description.ts';

export type ModelStatus = 'downloading' | 'unloaded' | 'loading' | 'loaded' | 'sleeping';

/** What a listing shows of a model. */
export interface ListedModel {
  readonly description: DescribedModel;
  readonly status: ModelStatus;
  /** Of its last process; 0 before the first. */
  readonly port: number;
  /** Of its last process; 0 before the first, and again after a rescan. */
  readonly exitCode: number;
  /** Whether its process has told what it holds. A sleeper that wakes is `loading` and known. */
  readonly known: boolean;
  /** Moves whenever something above does. */
  readonly revision: number;
}
