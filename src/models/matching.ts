import { matchesGlob } from '../lib/glob.ts';
import type { ModelBelief } from './belief.ts';

/** Whether one of these globs matches the model's id or an alias of it. */
export function matchesModel(
  patterns: readonly string[],
  { id, aliases }: Pick<ModelBelief, 'id' | 'aliases'>,
): boolean {
  return patterns.some((pattern) => [id, ...aliases].some((name) => matchesGlob(pattern, name)));
}
