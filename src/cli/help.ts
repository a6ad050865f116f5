import { optionFlags } from '../config/flags.ts';
import type { Command } from './command.ts';

/** Help of the program. */
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
export function helpOf(command: Command): string {
  const own = command.flags.map(({ name, value, description, repeatable, negated }) => ({
    flag: `--${negated ? 'no-' : ''}${name}${value === undefined ? '' : ` ${value}`}`,
    text: `${description}${repeatable ? ' Repeatable.' : ''}`,
  }));
  const taken = command.flags.map(({ name }) => name);
  const options = command.configured ? optionFlags().filter(({ flag }) => !taken.includes(flag)) : [];
  const configured = options.map((option) => ({
    flag: `--${option.flag} VALUE`,
    text: `${option.description}${option.default === '' ? '' : ` Default: ${option.default}.`}`,
  }));
  const sections = [
    ['Flags', own],
    ['Configuration', configured],
  ] as const;
  const words = command.words ? ` ${command.words}` : '';
  return `Usage: llama-router-exporter ${command.name}${command.runsProgram ? ` [FLAGS]${words}` : `${words} [FLAGS]`}
${command.summary}
${sections
  .filter(([, flags]) => flags.length > 0)
  .map(
    ([title, flags]) =>
      `\n${title}:\n${flags.map(({ flag, text }) => `  ${flag}\n      ${text}\n`).join('')}`,
  )
  .join('')}`;
}
