import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { CHECKOUT, compose, runCompose } from '../support/compose-file.ts';
import { runRooted } from '../support/rooted-process.ts';
import { makeRunFolder } from '../support/run-folder.ts';

let folder: string;
beforeEach(() => {
  folder = makeRunFolder('compose-file');
  for (const name of ['docker-compose.yml', 'deploy']) {
    cpSync(join(CHECKOUT, name), join(folder, name), { recursive: true });
  }
});
afterEach(() => rmSync(folder, { recursive: true }));

const prepare = (...args: string[]) =>
  expect(runRooted({ command: join(folder, 'deploy/compose/prepare.sh'), args })).toMatchObject({ code: 0 });

const WATCHING = ['alertmanager', 'exporter', 'grafana', 'prometheus'];
const DEMO = [...WATCHING.map((name) => `${name}-demo`), 'simulator'];

/** What would be started. */
const started = (...args: string[]) => Object.keys(compose(folder, ...args).services).sort();

it('without preparation, Compose starts only the demo', () => {
  expect(runCompose(folder, 'config', '--services')).toEqual({ code: 0, output: '' });
  expect(started('--profile', 'demo')).toEqual(DEMO);
});

it('after preparation, Compose starts the stack, or the profile of .env or the command line, never two', () => {
  prepare();
  const stack = [...WATCHING, 'llama-server'].sort();
  expect(started()).toEqual(stack);
  expect(started('--profile', 'monitoring')).toEqual(WATCHING);
  expect(started('--profile', 'llama-swap')).toEqual([...WATCHING, 'llama-swap'].sort());
  expect(started('--profile', 'openwebui')).toEqual([...stack, 'open-webui', 'pipelines'].sort());
  expect(started('--profile', 'demo')).toEqual(DEMO);
});

it.each([
  ['nvidia', 'server-cuda-'],
  ['amd', 'server-rocm-'],
  ['vulkan', 'server-vulkan-'],
])('prepared for %s, Compose adds the card to the stack, and to nothing else', (gpu, tag) => {
  prepare(gpu);
  const { services } = compose(folder);
  expect(services['llama-server']?.image).toContain(`:${tag}b`);
  const swapped = compose(folder, '--profile', 'llama-swap').services['llama-swap'];
  expect(swapped?.image).toContain(`-${tag.replace('server-', '')}b`);
  const withPid = Object.entries(services).filter(([, { pid }]) => pid === 'host');
  expect(withPid.map(([name]) => name)).toEqual(['exporter']);
  const demo = Object.values(compose(folder, '--profile', 'demo').services);
  expect(demo.some(({ pid }) => pid !== undefined)).toBe(false);
});
