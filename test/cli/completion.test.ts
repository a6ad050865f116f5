import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { runProgram } from '../support/run-program.ts';

const HOSTILE = `$(touch hacked)`;

/** Stands for the program: its models, of which one has a name that a shell must not expand. */
const PROGRAM = `llama-router-exporter() { printf '%s\\n' "$*" >&3; printf '%s\\n' chat 'org/coder:Q4' '${HOSTILE}'; }`;

/** What bash offers for a line with the cursor at its end, and how the models were asked for. */
async function complete(line: string): Promise<{ offered: string[]; asked: string }> {
  const { out: script } = await runProgram('completion', 'bash');
  const drive = `${script}
${PROGRAM}
COMP_WORDBREAKS=$' \\t\\n"\\'@><=;|&(:'
COMP_LINE=$1 COMP_POINT=\${#1}
_llama_router_exporter
for each in "\${COMPREPLY[@]}"; do printf '%s\\n' "$each"; done`;
  const { stdout, output } = spawnSync(
    'bash',
    ['--norc', '-c', drive, 'bash', `llama-router-exporter ${line}`],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
    },
  );
  return { offered: stdout.split('\n').filter((each) => each !== ''), asked: (output[3] ?? '').trim() };
}

it.each([
  ['unl', ['unload', 'unload-all']],
  ['help che', ['check-config']],
  ['completion ', ['bash', 'zsh', 'fish']],
  ['list --ou', ['--output']],
  ['list --output ', ['text', 'json', 'names']],
  ['list --output=j', ['json']],
  ['hold --output ', ['text', 'json', 'id']],
  ['unload-all --when-busy ', ['skip', 'wait', 'force']],
  ['unload --no-w', ['--no-wait']],
  ['--log.f', ['--log.format']],
  ['serve --log.level ', ['debug', 'info', 'warn', 'error']],
  ['run --unload ', ['none', 'enough', 'all']],
  // A duration is not to be known, and the argument after it is not a value of an earlier flag.
  ['hold --for ', []],
  ['unload-all --keep chat x', []],
  // Bash itself offers files.
  ['check-config ', []],
  ['serve --config.file ', []],
  ['bogus --', []],
])('bash offers for %j: %j', async (line, offered) => {
  expect((await complete(line)).offered).toEqual(offered);
});

it('offers names of models from the routers of the line, and expands none', async () => {
  const { offered, asked } = await complete(
    'unload --router http://gpu-box:8080 --exporter=http://a --keep chat ',
  );
  expect(asked).toBe('list --output names --router http://gpu-box:8080 --exporter=http://a');
  expect(offered).toEqual(['chat', 'org/coder:Q4', String.raw`\$\(touch\ hacked\)`]);
  expect(existsSync(join(process.cwd(), 'hacked'))).toBe(false);
  // readline replaces only what follows a colon or an equals sign.
  expect((await complete('unload org/coder:')).offered).toEqual(['Q4']);
  expect((await complete('unload-all --keep=org')).offered).toEqual(['org/coder:Q4']);
});

it('completes the command of run', async () => {
  for (const line of ['run --need 12G -- ba', 'run ba']) {
    expect((await complete(line)).offered).toContain('bash');
  }
  expect((await complete('run -- bash --')).offered).toEqual([]);
});

it('rejects other shells', async () => {
  expect(await runProgram('completion', 'tcsh')).toMatchObject({
    code: 2,
    err: expect.stringContaining('completion needs exactly one of bash, zsh, fish'),
  });
});
