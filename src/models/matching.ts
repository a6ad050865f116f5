import { matchesGlob } from '../lib/glob.ts';
import type { ModelState } from './router-state.ts';

/** Whether one of these globs matches the model's id or an alias of it. */
export function matchesModel(
  patterns: readonly string[],
  { id, aliases }: Pick<ModelState, 'id' | 'aliases'>,
): boolean {
  return patterns.some((pattern) => [id, ...aliases].some((name) => matchesGlob(pattern, name)));
}

/** The model that goes by this name: its id, else an alias. */
export function modelNamed(models: ReadonlyMap<string, ModelState>, name: string): ModelState | undefined {
  const byId = models.get(name);
  if (byId) return byId;
  for (const model of models.values()) if (model.aliases.includes(name)) return model;
  return undefined;
}
