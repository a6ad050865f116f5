import { type DescribedModel, metaOf } from './description.ts';
import type { ListedModel } from './listed-model.ts';

/**
 * Which build's listing: `current`, or one that prints the status as a string, the id as `name`, no status
 * at all, or what builds of December 2025 did.
 */
export type Shape = 'current' | 'plain-status' | 'name-only' | 'no-status' | 'december-2025';

/** How the router was started, as far as its models' command lines show it. */
export interface Launch {
  readonly metrics: boolean;
  readonly slots: boolean;
  readonly sleepIdleSeconds: number;
}

/** The text of a listing. `created` is the time of asking, in seconds since the epoch, for every model. */
export type RenderListing = (models: readonly ListedModel[], nowSeconds: number) => string;

interface Piece {
  readonly revision: number;
  readonly beforeTime: string;
  readonly afterTime: string;
}

const TIME = '"created":0';

/** Keeps every model's text until it changes: thousands of models are listed in a few milliseconds. */
export function createListing(shape: Shape, launch: Launch): RenderListing {
  const kept = new WeakMap<ListedModel, Piece>();

  function pieceOf(model: ListedModel): Piece {
    const known = kept.get(model);
    if (known?.revision === model.revision) return known;
    const text = JSON.stringify(entryOf(model, shape, launch));
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

function entryOf(model: ListedModel, shape: Shape, launch: Launch): Record<string, unknown> {
  const entry = currentEntry(model, launch);
  const { id, status, ...rest } = entry;
  switch (shape) {
    case 'current':
      return entry;
    case 'plain-status':
      return { ...entry, status: model.status };
    case 'name-only':
      return { name: id, status, ...rest };
    case 'no-status':
      return { id, ...rest };
    case 'december-2025': {
      const { preset, ...older } = statusOf(model, launch);
      const path = fileOf(model.description);
      const common = { object: 'model', owned_by: 'llamacpp', created: 0 };
      return { id, in_cache: model.description.source === 'cache', path, ...common, status: older };
    }
  }
}

function currentEntry(model: ListedModel, launch: Launch) {
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
    // A file that cannot be read does not tell its context either.
    ...(!description.fails && { context_length: description.trainedContextTokens }),
    ...(model.known && { meta: metaOf(description) }),
  };
}

function statusOf(model: ListedModel, launch: Launch) {
  const failed = model.status === 'unloaded' && model.exitCode !== 0;
  return {
    value: model.status,
    args: commandLine(model, launch),
    preset: preset(model.description, launch),
    ...(failed && { exit_code: model.exitCode, failed: true }),
  };
}

function commandLine(
  { description, port }: ListedModel,
  { metrics, slots, sleepIdleSeconds }: Launch,
): string[] {
  return [
    ...['/usr/bin/llama-server', '--host', '127.0.0.1', '--log-colors', 'off'],
    ...(metrics ? ['--metrics'] : []),
    ...['--port', String(port)],
    ...(sleepIdleSeconds > 0 ? ['--sleep-idle-seconds', String(sleepIdleSeconds)] : []),
    ...(slots ? [] : ['--no-slots']),
    ...(description.tags.length > 0 ? ['--tags', description.tags.join(',')] : []),
    ...['--alias', description.id, '--ctx-size', String(description.contextTokens)],
    ...['--model', fileOf(description)],
  ];
}

function preset(description: DescribedModel, { metrics, slots, sleepIdleSeconds }: Launch): string {
  const lines = [
    `[${description.id}]`,
    'log-colors = off',
    ...(metrics ? ['metrics = 1'] : []),
    ...(sleepIdleSeconds > 0 ? [`sleep-idle-seconds = ${sleepIdleSeconds}`] : []),
    ...(slots ? [] : ['slots = 0']),
    `ctx-size = ${description.contextTokens}`,
    `model = ${fileOf(description)}`,
  ];
  return `${lines.join('\n')}\n\n`;
}

export function fileOf({ id }: DescribedModel): string {
  return `/srv/models/${id}.gguf`;
}
