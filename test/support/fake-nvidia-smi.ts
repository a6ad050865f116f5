import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scratchFolder } from './scratch-folder.ts';

const PLAYER = join(import.meta.dirname, 'fake-nvidia-smi.mjs');
const RECORDINGS = join(import.meta.dirname, '..', 'fixtures', 'memory', 'nvidia-smi');

/**
 * A card whose used memory follows the model processes of this machine, including those of other tests: use unique
 * model names. In MiB.
 */
export interface LivingCard {
  baseMiB: number;
  /** By the model's id; `*` for all others, which else hold nothing. */
  perModelMiB: Readonly<Record<string, number>>;
  totalMiB?: number;
  uuid?: string;
}

/** An executable that plays this recording in any environment; its path. */
export function playRecording(name: string): string {
  return executable(['--play', join(RECORDINGS, name)]);
}

/** An executable that plays this card; its path. */
export function playLivingCard(card: LivingCard): string {
  return executable(['--living', JSON.stringify(card)]);
}

function executable(args: readonly string[]): string {
  const file = join(scratchFolder(), 'nvidia-smi');
  const words = [process.execPath, PLAYER, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`);
  // exec, so that killing it kills the player.
  writeFileSync(file, `#!/bin/sh\nexec ${words.join(' ')} "$@"\n`, { mode: 0o755 });
  return file;
}
