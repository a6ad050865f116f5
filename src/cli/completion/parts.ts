import type { Command, CommandFlag } from '../command.ts';

/** Flags that say which models there are. */
export const MODEL_SOURCES = ['--router', '--exporter', '--config.file'];

export const HELP_FLAG: CommandFlag = { name: 'help', description: 'Show the flags of the command.' };

export const originOf = (shell: string) =>
  `# Completions of llama-router-exporter, as \`llama-router-exporter completion ${shell}\` prints them.`;

/** What a shell completes: words to choose from, what it must find, a value that only the user knows, or no value. */
export type Candidates = readonly string[] | 'file' | 'model' | 'program' | 'other' | 'none';

export function sourceOfValue({ value = [], completes }: CommandFlag): Candidates {
  if (typeof value === 'string') return completes ?? 'other';
  return value.length === 0 ? 'none' : value;
}

export function sourceOfArguments({ words = [], completes, runsProgram }: Command): Candidates {
  if (runsProgram) return 'program';
  if (typeof words === 'string') return completes ?? 'other';
  return words.length === 0 ? 'none' : words;
}

/** The first sentence: shells show a line. */
export function briefOf({ description }: CommandFlag): string {
  return description.replace(/\. .*|\.$/s, '');
}

/** Text as one word of bash and zsh. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
