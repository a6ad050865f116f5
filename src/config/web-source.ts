import { statSync } from 'node:fs';
import type { ConfigError } from './problem.ts';
import { readWebConfig, type WebConfig, type WebReading } from './web-config.ts';

/** Files are looked at no more often than this, however many requests come. */
const LOOK_EVERY_MS = 1000;

/** The web configuration in force. */
export interface WebSource {
  /** Reads it anew when one of its files has changed; a file with a problem leaves the old one in force. */
  current(): WebConfig;
}

export interface WebSourceOptions {
  now(): number;
  /** Told after each change: what is wrong with the files now, or undefined when they are in force. */
  onReread(fault: ConfigError | undefined): void;
}

/** Loads the web configuration (throws a ConfigError) and keeps up with its files. */
export function createWebSource(file: string, { now, onReread }: WebSourceOptions): WebSource {
  let reading = readStamped(file, [file]);
  if (!reading.result.ok) throw reading.result.fault;
  let config = reading.result.value;
  let lookedAt = now();
  return {
    current() {
      const elapsed = now() - lookedAt;
      if (elapsed >= 0 && elapsed < LOOK_EVERY_MS) return config;
      lookedAt = now();
      if (stampOf(reading.files) === reading.stamp) return config;
      reading = readStamped(file, reading.files);
      const { result } = reading;
      if (result.ok) config = result.value;
      onReread(result.ok ? undefined : result.fault);
      return config;
    },
  };
}

/** The stamp comes before what it stamps: what is written meanwhile is found at the next look. */
function readStamped(file: string, files: readonly string[]): WebReading & { stamp: string } {
  const stamp = stampOf(files);
  const reading = readWebConfig(file);
  if (reading.files.join() === files.join()) return { ...reading, stamp };
  return readStamped(file, reading.files);
}

/** Another one when any of the files is another: a few microseconds each. */
function stampOf(files: readonly string[]): string {
  return files.map(stampOfOne).join('\n');
}

function stampOfOne(file: string): string {
  try {
    const { ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true });
    return [ino, size, mtimeNs, ctimeNs].join();
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unreadable';
  }
}
