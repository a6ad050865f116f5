import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEvents, type RouterEvent } from './router-client.ts';

const RECORDED = join(import.meta.dirname, '..', 'fixtures', 'router');

/** What a real router said, see test/fixtures/router/README.md. */
export function recorded(name: string): string {
  return readFileSync(join(RECORDED, name), 'utf8');
}

/** A recorded answer as it came over the wire: the files are printed prettily, or end in a line break. */
export function recordedJson(name: string): string {
  return JSON.stringify(JSON.parse(recorded(name)));
}

/** The options whose values the contract is about; what else a router was started with does not matter. */
const OPTIONS = ['--host', '--port', '--alias', '--ctx-size', '--model'];

/**
 * A listing with what differs from machine to machine blotted out: ports (but 0 stays), times, folders, the
 * sizes of weights. Text, so that the order of keys counts.
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

/** One model of a listing, as the listing above would show it. */
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
 * Events as text, with times and sizes of weights blotted out, and of a load's progress only the beginning
 * and the end: how often it is reported in between depends on the file and the machine.
 */
export function normalEvents(events: readonly RouterEvent[] | string): string[] {
  const list = typeof events === 'string' ? parseEvents(events) : events;
  return list
    .filter(({ data }) => data?.progress?.value === undefined || [0, 1].includes(data.progress.value))
    .map((event) => JSON.stringify(event, blotInfo))
    .filter((event, at, all) => event !== all[at - 1]);
}

/** The same without any progress, for loads that are cut short sooner or later. */
export function eventsWithoutProgress(events: readonly RouterEvent[] | string): string[] {
  const list = typeof events === 'string' ? parseEvents(events) : events;
  return normalEvents(list.filter(({ data }) => data?.progress === undefined));
}

function blotInfo(key: string, value: unknown): unknown {
  if (key === 'created') return '#';
  return key === 'meta' ? blot(value as object) : value;
}

/** llama.cpp says when a file does not name its quantization and it had to guess. */
function blot(meta: object): object {
  return Object.fromEntries(
    Object.entries(meta).map(([key, value]) => [
      key,
      typeof value === 'number' ? '#' : value.replace(/^\(guessed\) /, ''),
    ]),
  );
}
