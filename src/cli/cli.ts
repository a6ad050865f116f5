import { nearest } from '../lib/nearest.ts';
import { VERSION } from '../lib/version.ts';
import { COMMANDS } from './commands.ts';
import { EXIT } from './exit-codes.ts';
import { overview } from './help.ts';
import type { Terminal } from './terminal.ts';

/** Runs the program and resolves with its exit code. Rejects only on a programming error. */
export async function runCli(args: readonly string[], terminal: Terminal): Promise<number> {
  const [first = '', ...others] = args;
  if (['help', '--help', '-h'].includes(first) && others.length === 0) {
    terminal.out(overview(COMMANDS, VERSION));
    return EXIT.done;
  }
  if (first === '--version' || first === 'version') {
    terminal.out(`llama-router-exporter ${VERSION} (Node ${process.versions.node})\n`);
    return EXIT.done;
  }
  const named = first !== '' && !first.startsWith('-');
  const name = !named ? 'serve' : first === 'help' ? (others[0] ?? '') : first;
  const command = COMMANDS.find((each) => each.name === name);
  if (command === undefined) {
    terminal.err(`llama-router-exporter: ${unknownCommand(name)}\n`);
    return EXIT.usage;
  }
  const { runCommand, showHelp } = await import('./command-line.ts');
  if (first === 'help') return showHelp(command, terminal);
  return runCommand(command, named ? others : args, terminal);
}

function unknownCommand(name: string): string {
  const names = COMMANDS.map((command) => command.name);
  const hint = nearest(name, names);
  return `unknown command '${name}'${hint ? `: did you mean '${hint}'?` : '.'} See llama-router-exporter help.`;
}
