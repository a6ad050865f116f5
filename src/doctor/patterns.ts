import type { Config } from '../config/schema.ts';
import type { ListedModel } from '../models/feed.ts';
import { matchesModel } from '../models/router-state.ts';
import { excerpt, type Finding, plural } from './finding.ts';
import { listingIn } from './replies.ts';
import type { RouterEvidence } from './router-evidence.ts';

/** The globs of one option, and the models that they may match; undefined when a router was not listed. */
interface Patterns {
  option: string;
  globs: readonly string[];
  models: readonly ListedModel[] | undefined;
}

/** Findings about globs in the configuration: one that matches no model is probably misspelt. */
export function diagnosePatterns(config: Config, examined: readonly RouterEvidence[]): Finding[] {
  const checked = patternsOf(config, examined).filter(({ globs, models }) => globs.length > 0 && models);
  if (checked.length === 0) return [];
  const unmatched = checked.flatMap(({ option, globs, models = [] }) =>
    globs
      .filter((glob) => !models.some((model) => matchesModel([glob], model)))
      .map((glob) => `'${glob}' in ${option}`),
  );
  const check = 'patterns';
  if (unmatched.length === 0) {
    const says = 'every glob of a model in the configuration matches one';
    return [{ check, mark: 'ok', cause: 'fine', says, remedy: [] }];
  }
  const says = `${plural(unmatched.length, 'glob')} matching no model: ${excerpt(unmatched.join(', '))}`;
  const remedy = [
    'Correct the spelling: a model that should be kept is not. A glob must match the whole ID or alias of a model.',
  ];
  return [{ check, mark: 'warn', cause: 'unmatched', says, remedy }];
}

function patternsOf({ unload, routers, policy }: Config, examined: readonly RouterEvidence[]): Patterns[] {
  const listings = examined.map(({ name, models }) => ({ name, models: listingIn(models)?.models }));
  const all = listings.flatMap(({ models = [] }) => models);
  const everywhere = listings.every(({ models }) => models !== undefined) ? all : undefined;
  return [
    { option: 'unload.keep', globs: unload.keep, models: everywhere },
    ...policy.idle.map(({ models }) => ({ option: 'policy.idle', globs: models, models: everywhere })),
    ...routers.map(({ name, keep }) => ({
      option: `keep of ${name}`,
      globs: keep,
      models: listings.find((listing) => listing.name === name)?.models,
    })),
  ];
}
