import { expect, it } from '@jest/globals';
import { runsCommand, splitCommand } from '../../src/memory/model-processes.ts';

it.each<[string, string[]]>([
  ['llama-server --port 5800 -m /srv/a.gguf', ['llama-server', '--port', '5800', '-m', '/srv/a.gguf']],
  ['  a \t b\n  c  ', ['a', 'b', 'c']],
  ['sh -c \'exec llama-server -m "a b"\'', ['sh', '-c', 'exec llama-server -m "a b"']],
  ['sh -c "echo \\"x\\" \\$PORT \\n"', ['sh', '-c', 'echo "x" $PORT \\n']],
  ["a --name='b c'd --empty '' \"\"", ['a', '--name=b cd', '--empty', '', '']],
  ['a b\\ c \\"d', ['a', 'b c', '"d']],
  ['llama-server \\\n  --port 5800 \\  \n  -c 4096\n', ['llama-server', '--port', '5800', '-c', '4096']],
  ['llama-server\n  # which model\n  -m a.gguf # b', ['llama-server', '-m', 'a.gguf', '#', 'b']],
  ["sh -c 'a\n  b'", ['sh', '-c', 'a\n  b']],
  ['', []],
])('a command is split: %j', (command, words) => expect(splitCommand(command)).toEqual(words));

const VLLM = ['vllm', 'serve', 'm', '--port', '5800'];

it.each<[string, string[], string[], boolean]>([
  ['equal', VLLM, VLLM, true],
  ['without what set it up', ['serve', '-p', '1'], ['env', 'A=1', 'serve', '-p', '1'], true],
  ['of the interpreter', ['/usr/bin/python3', '/opt/bin/vllm', ...VLLM.slice(1)], VLLM, true],
  ['of an interpreter with options', ['/bin/sh', '-e', '/opt/run.sh', '1'], ['/opt/run.sh', '1'], true],
  ['of another script', ['/bin/sh', '/opt/walk.sh', '1'], ['/opt/run.sh', '1'], false],
  ['with an argument more', [...VLLM, '-x'], VLLM, false],
  ['with an argument less', VLLM.slice(0, 4), VLLM, false],
  ['with another port', [...VLLM.slice(0, 4), '5801'], VLLM, false],
  ['unreadable', [], VLLM, false],
  ['of no command', VLLM, [], false],
])('arguments that are those of a command: %s', (_, args, command, runs) => {
  expect(runsCommand(args, command)).toBe(runs);
});
