import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { startInTerminal } from '../support/in-terminal.ts';
import { makeRunFolder } from '../support/run-folder.ts';

const CHECKOUT = join(import.meta.dirname, '..', '..');
const COMPLETIONS = join(CHECKOUT, 'completions');

let folder: string;
beforeAll(() => {
  folder = makeRunFolder('completion');
  mkdirSync(join(folder, 'bin'));
  const program = join(folder, 'bin/llama-router-exporter');
  writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' '${CHECKOUT}/dist/main.mjs' "$@"\n`, {
    mode: 0o755,
  });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SHELLS = [
  ['bash --norc --noprofile -i', `source ${COMPLETIONS}/llama-router-exporter.bash`],
  ['zsh -f -i', `fpath=(${COMPLETIONS} $fpath); autoload -U compinit; compinit -u -D`],
  ['fish --no-config -i', `source ${COMPLETIONS}/llama-router-exporter.fish`],
] as const;

it.each(SHELLS)('a person completes a command and its argument in %s', async (command, setUp) => {
  const path = `${join(folder, 'bin')}:${process.env.PATH}`;
  const shell = startInTerminal(command, { ...process.env, HOME: folder, PATH: path, TERM: 'xterm' });
  try {
    shell.type(`${setUp}; echo set''-up\r`);
    await shell.untilShown(/set-up/);
    // Each Tab writes the rest of a word and a space.
    shell.type('llama-router-exporter comp\tba\t| head -1\r');
    await shell.untilShown(/as `llama-router-exporter completion bash` prints them/);
  } finally {
    shell.hangUp();
  }
});

it('the manual page renders without warnings', () => {
  const page = join(CHECKOUT, 'man/llama-router-exporter.1');
  const { status, stdout, stderr } = spawnSync('mandoc', ['-T', 'lint', '-W', 'warning', page], {
    encoding: 'utf8',
  });
  expect([status, stdout, stderr]).toEqual([0, '', '']);
});
