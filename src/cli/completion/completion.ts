import type { Call } from '../command.ts';
import { SHELLS } from '../command-flags.ts';
import { EXIT, UsageError } from '../exit-codes.ts';
import { bashCompletion } from './bash.ts';
import { fishCompletion } from './fish.ts';
import { zshCompletion } from './zsh.ts';

const SCRIPTS: Readonly<Record<(typeof SHELLS)[number], () => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};

export async function completion({ words, terminal }: Call): Promise<number> {
  const shell = SHELLS.find((each) => each === words[0]);
  if (shell === undefined || words.length > 1) {
    throw new UsageError(`completion needs exactly one of ${SHELLS.join(', ')}`);
  }
  terminal.out(SCRIPTS[shell]());
  return EXIT.done;
}
