import { optionFlags } from '../config/flags.ts';
import type { Command } from './command.ts';

/** The program's help. */
export function overview(commands: readonly Command[], version: string): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  return `llama-router-exporter ${version}
Prometheus exporter and operations service for llama.cpp's router mode.

Usage: llama-router-exporter [COMMAND] [FLAGS]

Commands:
${commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`).join('\n')}

llama-router-exporter COMMAND --help tells a command's flags.
The router is http://localhost:8080 unless --router, LLAMA_SERVER_URL or a configuration file says otherwise.
`;
}

/** A command's help: its own flags, then those of the configuration. */
export function helpOf(command: Command): string {
  const own = command.flags.map(({ name, value, description, repeatable, negated }) => ({
    flag: `--${negated ? 'no-' : ''}${name}${value === undefined ? '' : ` ${value}`}`,
    text: `${description}${repeatable ? ' May be repeated.' : ''}`,
  }));
  const configured = (command.configured ? optionFlags() : []).map((option) => ({
    flag: `--${option.flag}${option.boolean ? '' : ' VALUE'}`,
    text: `${option.description}${option.default === '' ? '' : ` Default: ${option.default}.`}`,
  }));
  const sections = [
    ['Flags', own],
    ['Configuration', configured],
  ] as const;
  return `Usage: llama-router-exporter ${command.name}${command.words ? ` ${command.words}` : ''} [FLAGS]
${command.summary}
${sections
  .filter(([, flags]) => flags.length > 0)
  .map(
    ([title, flags]) =>
      `\n${title}:\n${flags.map(({ flag, text }) => `  ${flag}\n      ${text}\n`).join('')}`,
  )
  .join('')}`;
}
