#!/usr/bin/env node
import { runCli } from './cli/cli.ts';
import { systemTerminal } from './cli/terminal.ts';

// Not process.exit: what is still being written to a pipe would be cut off.
process.exitCode = await runCli(process.argv.slice(2), systemTerminal);
