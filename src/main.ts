#!/usr/bin/env node
import { runCli } from './cli/cli.ts';
import { systemTerminal } from './cli/terminal.ts';

runCli(process.argv.slice(2), systemTerminal).then((exitCode) => {
  // Not process.exit: what is still being written to a pipe would be cut off.
  process.exitCode = exitCode;
});
