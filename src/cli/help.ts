import type { Command, CommandFlag } from './command.ts';

export function overview(commands: readonly Command[], version: string): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  return `llama-router-exporter ${version}
Prometheus exporter and VRAM manager for llama.cpp's router mode and llama-swap.

Usage: llama-router-exporter [COMMAND] [FLAGS]

Commands:
${commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`).join('\n')}

Run llama-router-exporter COMMAND --help for the flags of a command.
Default router: http://localhost:8080. Change it with --router, LLAMA_SERVER_URL or a configuration file.
`;
}

/** Help of one command: its own flags, then those of the configuration. */
export function helpOf(command: Command, configurationFlags: readonly CommandFlag[]): string {
  return [
    `Usage: llama-router-exporter ${usageOf(command)}\n${command.summary}\n`,
    sectionOf('Flags', command.flags),
    sectionOf('Configuration', configurationFlags),
  ].join('');
}

/** The command with what may follow it: `unload MODEL… [FLAGS]`. */
export function usageOf({ name, words, runsProgram }: Command): string {
  const after = runsProgram ? ['[FLAGS]', placeholder(words)] : [placeholder(words), '[FLAGS]'];
  return [name, ...after].filter((part) => part !== '').join(' ');
}

function sectionOf(title: string, flags: readonly CommandFlag[]): string {
  if (flags.length === 0) return '';
  const lines = flags.map(
    (flag) =>
      `  ${[`--${spellingOf(flag)}`, placeholder(flag.value)].join(' ').trimEnd()}\n      ${descriptionOf(flag)}\n`,
  );
  return `\n${title}:\n${lines.join('')}`;
}

/** The flag as it is given, without dashes: `no-wait`. */
export function spellingOf({ name, negated }: CommandFlag): string {
  return negated ? `no-${name}` : name;
}

export function descriptionOf({ description, repeatable }: CommandFlag): string {
  return `${description}${repeatable ? ' Repeatable.' : ''}`;
}

/** What stands for a value in the help: `DURATION`, `text|json`; empty for none. */
export function placeholder(value: string | readonly string[] = ''): string {
  return typeof value === 'string' ? value : value.join('|');
}
