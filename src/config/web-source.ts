import { statSync } from 'node:fs';
import { codeOf } from '../lib/error-code.ts';
import type { ConfigError } from './problem.ts';
import { readWebConfig, type WebConfig, type WebReading } from './web-config.ts';

/** The files are checked for changes at most this often. */
const CHECK_EVERY_MS = 1000;

/** The active web configuration. */
export interface WebSource {
  /** Reads the files again if one has changed. Files with a problem leave the previous configuration active. */
  current(): WebConfig;
}

export interface WebSourceOptions {
  now(): number;
  /** Called after each change with the problems of the files; undefined: they are active. */
  onReload(fault: ConfigError | undefined): void;
}

/** Loads the web configuration and follows changes of its files; throws a ConfigError at first. */
export function createWebSource(file: string, { now, onReload }: WebSourceOptions): WebSource {
  let reading = readStamped(file, [file]);
  if (!reading.result.ok) throw reading.result.fault;
  let config = reading.result.value;
  let checkedAt = now();
  return {
    current() {
      if (now() - checkedAt < CHECK_EVERY_MS) return config;
      checkedAt = now();
      if (stampOf(reading.files) === reading.stamp) return config;
      reading = readStamped(file, reading.files);
      const { result } = reading;
      if (result.ok) config = result.value;
      onReload(result.ok ? undefined : result.fault);
      return config;
    },
  };
}

/** Takes the stamp before reading: a change in between is found at the next check. */
function readStamped(file: string, files: readonly string[]): WebReading & { stamp: string } {
  const stamp = stampOf(files);
  const reading = readWebConfig(file);
  if (reading.files.join() === files.join()) return { ...reading, stamp };
  return readStamped(file, reading.files);
}

/** Differs when any of the files differs. */
function stampOf(files: readonly string[]): string {
  return files.map(stampOfFile).join('\n');
}

function stampOfFile(file: string): string {
  try {
    const { ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true });
    return [ino, size, mtimeNs, ctimeNs].join();
  } catch (error) {
    return codeOf(error);
  }
}
