import type { Config } from './schema.ts';

/** The options that are read once, at the start, and are others now. */
export function needsRestart(before: Config, after: Config): string[] {
  const then = readOnce(before);
  return [...readOnce(after)].filter(([name, value]) => then.get(name) !== value).map(([name]) => name);
}

/** Each with its value as text, to be compared. */
function readOnce({ web, log, state, audit, memory, path, engine }: Config): Map<string, string> {
  const options = {
    ...{ web, log, state, audit, memory, path },
    'engine.publish': engine.publish,
    'engine.telemetry_path': engine.telemetry_path,
  };
  return new Map(Object.entries(options).map(([name, value]) => [name, JSON.stringify(value)]));
}
