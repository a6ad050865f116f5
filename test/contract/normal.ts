import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEvents, type RouterEvent } from './router-client.ts';

const RECORDED = join(import.meta.dirname, '..', 'fixtures', 'router');

/** A recorded answer of a real router: see test/fixtures/router/README.md. */
export function recorded(name: string): string {
  return readFileSync(join(RECORDED, name), 'utf8');
}

/** A recorded answer as it was sent: the files are formatted, or end in a line break. */
export function recordedJson(name: string): string {
  return JSON.stringify(JSON.parse(recorded(name)));
}

/** The options whose values are compared. */
const OPTIONS = ['--host', '--port', '--alias', '--ctx-size', '--model'];

/**
 * A listing without what differs between machines: ports (0 stays), times, folders, sizes of weights. As text, to
 * compare the order of keys.
 */
export function normalListing(text: string): string {
  const { data, ...rest } = JSON.parse(text);
  const models = data.map((model: Record<string, unknown>) => {
    const { status, created, context_length, meta } = model;
    return {
      ...model,
      ...(created !== undefined && { created: '#' }),
      ...(status !== undefined && { status: normalStatus(status as Status) }),
      ...(context_length !== undefined && { context_length: '#' }),
      ...(meta !== undefined && { meta: blot(meta as object) }),
    };
  });
  return JSON.stringify({ data: models, ...rest }, null, 1);
}

/** One model of a listing, normalized in the same way. */
export function normalEntry(text: string, id: string): unknown {
  return JSON.parse(normalListing(text)).data.find((model: { id: string }) => model.id === id);
}

interface Status {
  args: string[];
  preset: string;
}

function normalStatus(status: Status): object {
  const [, ...args] = status.args;
  const options = args.flatMap((word, at) => (OPTIONS.includes(word) ? [`${word} ${args[at + 1]}`] : []));
  const preset = status.preset.split('\n').filter((line) => /^\[|^ctx-size|^model =|^$/.test(line));
  return {
    ...status,
    args: options.map((option) => anyFolder(option.replace(/^--port [1-9].*/, '--port #'))),
    preset: preset.map(anyFolder),
  };
}

function anyFolder(text: string): string {
  return text.replace(/(--model |model = ).*\//, '$1');
}

/**
 * Events as text, without times and sizes of weights, and with only the first and last progress of a load: the number
 * of progress events depends on the file and the machine.
 */
export function normalEvents(events: readonly RouterEvent[] | string): string[] {
  const list = typeof events === 'string' ? parseEvents(events) : events;
  return list
    .filter(({ data }) => data?.progress?.value === undefined || [0, 1].includes(data.progress.value))
    .map((event) => JSON.stringify(event, blotInfo))
    .filter((event, at, all) => event !== all[at - 1]);
}

/** The same without progress, for loads that are interrupted. */
export function eventsWithoutProgress(events: readonly RouterEvent[] | string): string[] {
  const list = typeof events === 'string' ? parseEvents(events) : events;
  return normalEvents(list.filter(({ data }) => data?.progress === undefined));
}

function blotInfo(key: string, value: unknown): unknown {
  if (key === 'created') return '#';
  return key === 'meta' ? blot(value as object) : value;
}

/** llama.cpp marks a quantization that it guessed. */
function blot(meta: object): object {
  return Object.fromEntries(
    Object.entries(meta).map(([key, value]) => [
      key,
      typeof value === 'number' ? '#' : value.replace(/^\(guessed\) /, ''),
    ]),
  );
}
