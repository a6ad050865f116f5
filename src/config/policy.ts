import { z } from 'zod';
import { options, requiredDuration, texts } from './fields.ts';

const idleRule = z
  .strictObject({
    models: texts('Globs of the models that this is for; every model when empty.'),
    after: requiredDuration('1s', 'How long a model must have served nothing, awake or asleep.'),
  })
  .readonly();

/** The list of idle rules; the first that matches a model counts. */
export const idleRules = z.array(idleRule).readonly().prefault([]).register(options, {
  kind: 'section',
  type: 'list',
  description:
    'Models that are unloaded when they are idle: a list, the first element that matches a model counts.',
  fallback: '',
});
