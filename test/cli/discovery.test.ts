import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { runProgram } from '../support/run-program.ts';
import { scratchFolder } from '../support/scratch-folder.ts';
import { createTestRouter, type TestRouter } from '../support/simulator/test-router.ts';

let folder: string;
let config: string;
let router: TestRouter;

beforeAll(async () => {
  folder = scratchFolder();
  config = join(folder, 'config.yml');
  router = createTestRouter({ models: [{ id: 'chat', loadSeconds: 0.01 }], exitSeconds: 0.001 });
  const { url } = await router.listen();
  writeFileSync(config, 'discovery: [{ name: lab, files: ["*.json"] }]\n');
  writeFileSync(join(folder, 'good.json'), JSON.stringify([{ targets: [new URL(url).host] }]));
});
afterAll(async () => {
  await router.stop();
});
beforeEach(() => rmSync(join(folder, 'bad.json'), { force: true }));

const run = (command: string) => runProgram(command, '--config.file', config);
const breakOne = () => writeFileSync(join(folder, 'bad.json'), '{}');
const WHY = `bad.json is not a list of mappings with 'targets' and 'labels', as in file_sd`;

it('check-config reads discovery files', async () => {
  expect(await runProgram('check-config', config)).toMatchObject({
    code: 0,
    out: `${config}: valid, 1 router\n`,
  });
  breakOne();
  const { code, err } = await runProgram('check-config', config);
  expect([code, err]).toEqual([2, `llama-router-exporter: discovery of lab: ${join(folder, WHY)}\n`]);
});

it('check-config says how many routers are in the shard, and list lists all', async () => {
  const file = join(folder, 'shard.yml');
  const names = ['a', 'b', 'c', 'd', 'e'].map((host) => `{ url: 'http://${host}' }`);
  writeFileSync(file, `routers: [${names.join(', ')}]\nfollow: { shard: 1, total_shards: 3 }\n`);
  expect(await runProgram('check-config', file)).toMatchObject({
    code: 0,
    out: `${file}: valid, 5 routers, 3 of them in shard 1 of 3\n`,
  });
  for (const shard of ['0', '1']) {
    const { out } = await runProgram(
      ...['list', '--config.file', config, `--follow.shard=${shard}`, '--follow.total-shards=2'],
    );
    expect(out).toContain('chat');
  }
});

it('check-config warns about patterns that look like something else than a pattern', async () => {
  const file = join(folder, 'patterns.yml');
  writeFileSync(
    file,
    `routers: [{ url: "http://box", keep: ["a,b"] }]
unload: { keep: ["*embed*", ".*embed", "hub/model:Q4_K_M"] }
policy: { idle: [{ models: ["^qwen"], after: 1h }] }
`,
  );
  const { code, out, err } = await runProgram('check-config', file);
  expect([code, out]).toEqual([0, `${file}: valid, 1 router\n`]);
  expect(err.split('\n').map((line) => line.split(' may match')[0])).toEqual([
    "unload.keep: '.*embed'",
    "keep of box:80: 'a,b'",
    "policy.idle: '^qwen'",
    '',
  ]);
});

it('unload-all unloads on discovered routers, and exits with 3 when some may be missing', async () => {
  await router.load('chat');
  expect(await run('unload-all')).toMatchObject({ code: 0, out: expect.stringContaining('chat') });
  breakOne();
  await router.load('chat');
  const { code, out, err } = await run('unload-all');
  expect([code, err]).toEqual([3, `discovery of lab: ${join(folder, WHY)}\n`]);
  expect(out).toContain('chat');
});

it('list shows discovered routers, and exits with 3 when some may be missing', async () => {
  expect(await run('list')).toMatchObject({ code: 0, out: expect.stringContaining('unloaded  chat') });
  breakOne();
  expect(await run('list')).toMatchObject({ code: 3, err: expect.stringContaining(WHY) });
});
