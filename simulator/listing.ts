import { type DescribedModel, fileOf, metaOf } from './model-description.ts';
import type { RouterSettings } from './settings.ts';
import type { SimulatedModel } from './simulated-model.ts';

/** A model in `/models`. `created` is the time of the request, in seconds since the epoch. */
export function listed(model: SimulatedModel, settings: RouterSettings, created: number): object {
  const { description } = model;
  const failed = model.status === 'unloaded' && model.exitCode !== 0;
  return {
    id: description.id,
    aliases: description.aliases.toSorted(),
    tags: description.tags.toSorted(),
    object: 'model',
    owned_by: 'llamacpp',
    created,
    status: {
      value: model.status,
      args: commandLine(model, settings),
      preset: preset(description, settings),
      exit_code: failed ? model.exitCode : undefined,
      failed: failed ? true : undefined,
    },
    architecture: { input_modalities: ['text'], output_modalities: ['text'] },
    source: description.source,
    can_remove: description.source === 'cache',
    // The context length of a file that cannot be read is unknown.
    context_length: description.fails ? undefined : description.contextTokens,
    meta: model.known ? metaOf(description) : undefined,
  };
}

function commandLine({ description, port }: SimulatedModel, settings: RouterSettings): string[] {
  const args = ['/usr/bin/llama-server', '--host', '127.0.0.1', '--log-colors', 'off'];
  if (settings.metrics) args.push('--metrics');
  args.push('--port', String(port));
  if (settings.sleepIdleSeconds > 0) args.push('--sleep-idle-seconds', String(settings.sleepIdleSeconds));
  if (description.tags.length > 0) args.push('--tags', description.tags.join(','));
  args.push('--alias', description.id, '--ctx-size', String(description.contextTokens));
  args.push('--model', fileOf(description));
  return args;
}

function preset(description: DescribedModel, { metrics, sleepIdleSeconds }: RouterSettings): string {
  const lines = [`[${description.id}]`, 'log-colors = off'];
  if (metrics) lines.push('metrics = 1');
  if (sleepIdleSeconds > 0) lines.push(`sleep-idle-seconds = ${sleepIdleSeconds}`);
  lines.push(`ctx-size = ${description.contextTokens}`, `model = ${fileOf(description)}`);
  return `${lines.join('\n')}\n\n`;
}
