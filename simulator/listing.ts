import { type DescribedModel, fileOf, metaOf } from './model-description.ts';
import type { SimulatedListing } from './simulated-model.ts';

/** The router's command line, as far as the listing shows it for each model. */
export interface Launch {
  readonly metrics: boolean;
  readonly slots: boolean;
  readonly sleepIdleSeconds: number;
}

/** The text of a listing. `created` is the time of the request, in seconds since the epoch, for every model. */
export type RenderListing = (models: readonly SimulatedListing[], nowSeconds: number) => string;

interface Piece {
  readonly revision: number;
  readonly beforeTime: string;
  readonly afterTime: string;
}

const TIME = '"created":0';

/** Keeps the text of each model until it changes: a listing of thousands of models takes a few milliseconds. */
export function createListing(launch: Launch): RenderListing {
  const kept = new WeakMap<SimulatedListing, Piece>();

  function pieceOf(model: SimulatedListing): Piece {
    const known = kept.get(model);
    if (known?.revision === model.revision) return known;
    const text = JSON.stringify(entryOf(model, launch));
    const at = text.indexOf(TIME) + TIME.length - 1;
    const piece = { revision: model.revision, beforeTime: text.slice(0, at), afterTime: text.slice(at + 1) };
    kept.set(model, piece);
    return piece;
  }

  return (models, nowSeconds) => {
    const entries = models.map((model) => {
      const { beforeTime, afterTime } = pieceOf(model);
      return beforeTime + nowSeconds + afterTime;
    });
    return `{"data":[${entries.join(',')}],"object":"list"}`;
  };
}

function entryOf(model: SimulatedListing, launch: Launch): Record<string, unknown> {
  const { description } = model;
  return {
    id: description.id,
    aliases: description.aliases.toSorted(),
    tags: description.tags.toSorted(),
    object: 'model',
    owned_by: 'llamacpp',
    created: 0,
    status: statusOf(model, launch),
    architecture: { input_modalities: ['text'], output_modalities: ['text'] },
    source: description.source,
    can_remove: description.source === 'cache',
    // The context length of a file that cannot be read is unknown.
    context_length: description.fails ? undefined : description.trainedContextTokens,
    meta: model.known ? metaOf(description) : undefined,
  };
}

function statusOf(model: SimulatedListing, launch: Launch) {
  const failed = model.status === 'unloaded' && model.exitCode !== 0;
  return {
    value: model.status,
    args: commandLine(model, launch),
    preset: preset(model.description, launch),
    exit_code: failed ? model.exitCode : undefined,
    failed: failed ? true : undefined,
  };
}

function commandLine(
  { description, port }: SimulatedListing,
  { metrics, slots, sleepIdleSeconds }: Launch,
): string[] {
  const args = ['/usr/bin/llama-server', '--host', '127.0.0.1', '--log-colors', 'off'];
  if (metrics) args.push('--metrics');
  args.push('--port', String(port));
  if (sleepIdleSeconds > 0) args.push('--sleep-idle-seconds', String(sleepIdleSeconds));
  if (!slots) args.push('--no-slots');
  if (description.tags.length > 0) args.push('--tags', description.tags.join(','));
  args.push('--alias', description.id, '--ctx-size', String(description.contextTokens));
  args.push('--model', fileOf(description));
  return args;
}

function preset(description: DescribedModel, { metrics, slots, sleepIdleSeconds }: Launch): string {
  const lines = [`[${description.id}]`, 'log-colors = off'];
  if (metrics) lines.push('metrics = 1');
  if (sleepIdleSeconds > 0) lines.push(`sleep-idle-seconds = ${sleepIdleSeconds}`);
  if (!slots) lines.push('slots = 0');
  lines.push(`ctx-size = ${description.contextTokens}`, `model = ${fileOf(description)}`);
  return `${lines.join('\n')}\n\n`;
}
