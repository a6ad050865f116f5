import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, it } from '@jest/globals';
import { serve } from '../../src/cli/serve.ts';
import type { Config } from '../../src/config/schema.ts';
import { createConfigSource } from '../../src/config/source.ts';
import { runProgram } from '../support/run-program.ts';

it('exits with 2 and says why the address cannot be listened on', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const address = `127.0.0.1:${(other.address() as AddressInfo).port}`;
  const used = await runProgram('serve', '--web.listen-address', address);
  const simulated = await runProgram('simulate', '--port', address.split(':')[1] ?? '');
  other.close();
  const foreign = await runProgram('serve', '--web.listen-address', '192.0.2.1:10180');
  const socket = await runProgram(
    'serve',
    `--web.listen-address=${address}`,
    '--web.listen-address=unix:/none/x.sock',
  );
  expect([used.code, simulated.code, foreign.code, socket.code]).toEqual([2, 2, 2, 2]);
  expect(used.err).toContain('another program listens on it: choose another --web.listen-address');
  expect(simulated.err).toContain('another program listens on it. Choose another --port');
  expect(foreign.err).toContain('this machine does not have the address');
  expect(socket.err).toContain('address=unix:/none/x.sock error="its folder does not exist: choose another');
});

it('simulates a server of one kind, and refuses flags of the other', async () => {
  const runs = await Promise.all([
    runProgram('simulate', '--kind', 'ollama'),
    runProgram('simulate', '--ttl', '5'),
    runProgram('simulate', '--kind', 'llama-swap', '--models-max', '2'),
  ]);
  expect(runs.map(({ code }) => code)).toEqual([2, 2, 2]);
  expect(runs.map(({ err }) => err)).toEqual([
    expect.stringContaining("--kind must be one of llama-server, llama-swap, not 'ollama'"),
    expect.stringContaining('--ttl needs --kind llama-swap'),
    expect.stringContaining('--models-max needs --kind llama-server'),
  ]);
});

it('throws a programming error at start-up instead of advice about the address', async () => {
  const source = createConfigSource({ env: {}, flags: {} });
  const current = {
    ...source.current,
    get engine(): Config['engine'] {
      throw new TypeError('a bug');
    },
  };
  const broken = { ...source, current };
  let err = '';
  const terminal = { out: () => {}, err: (text: string) => (err += text), isInteractive: false };
  const call = { flags: {}, words: [], configSource: () => broken, terminal };
  await expect(serve(call)).rejects.toThrow('a bug');
  expect(err).not.toContain('listen');
});
