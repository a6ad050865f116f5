import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { playLivingCard } from '../support/fake-nvidia-smi.ts';
import { freePort } from '../support/free-port.ts';
import { holdsOf } from '../support/holds-of.ts';
import { startInTerminal } from '../support/in-terminal.ts';
import { type Nginx, startNginx } from '../support/nginx.ts';
import { generate, keepBusy, load, runningOn } from '../support/orders.ts';
import { type RealRouter, startRealRouter } from '../support/real-router.ts';
import { makeRunFolder } from '../support/run-folder.ts';
import { substitute } from '../support/substitute.ts';
import { until } from '../support/until.ts';

const CHECKOUT = join(import.meta.dirname, '..', '..');
const MAIN = join(CHECKOUT, 'dist', 'main.mjs');

/** The fake card counts every process with such a model on this machine: no other test may use them. */
const [ONE, OTHER] = [`tiny-a-${process.pid}`, `tiny-b-${process.pid}`];

let router: RealRouter;
let exporter: RunningExporter;
let folder: string;

beforeAll(async () => {
  router = await startRealRouter({ models: [ONE, OTHER] });
  // Both models must go for 200 MiB.
  const card = { totalMiB: 300, baseMiB: 50, perModelMiB: { [ONE]: 100, [OTHER]: 100 } };
  exporter = await startExporter([router.url], {
    'memory.interval': '1s',
    'memory.nvidia-smi': playLivingCard(card),
  });
  folder = makeRunFolder('run');
});
afterAll(async () => {
  await exporter?.stop();
  await router?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const holds = () => holdsOf(exporter.url);

const noHold = () => until('the hold to end', async () => (await holds()).length === 0);

const environment = (): NodeJS.ProcessEnv => ({
  ...process.env,
  LLAMA_ROUTER_EXPORTER_URL: exporter.url,
  LLAMA_SERVER_URL: router.url,
  PS1: '$ ',
});

/** Starts the program. */
function start(...args: string[]) {
  return startProgram(process.execPath, MAIN, ...args);
}

function startProgram(program: string, ...args: string[]) {
  const child = spawn(program, args, {
    env: environment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (text) => {
    out += text;
  });
  child.stderr.on('data', (text) => {
    err += text;
  });
  const ended = new Promise<{ code: number | null; out: string; err: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, out, err })),
  );
  const untilSaid = (words: string) => until(words, () => `${out}${err}`.includes(words));
  return { child, ended, untilSaid, out: () => out };
}

async function loadBoth(): Promise<void> {
  const running = await runningOn(router);
  await load(router, ...[ONE, OTHER].filter((model) => !running.includes(model)));
  for (const model of [ONE, OTHER]) {
    await exporter.untilValue('llama_router_model_status', { model, status: 'loaded' }, 1);
  }
  // An unload in the millisecond after that is lost (b11669), and the process is killed 10 s later.
  await new Promise((resolve) => setTimeout(resolve, 50));
}

describe('run with two models loaded, one busy', () => {
  let nginx: Nginx;
  let front: string;
  beforeAll(async () => {
    const port = await freePort();
    front = `http://127.0.0.1:${port}`;
    const shipped = readFileSync(join(CHECKOUT, 'deploy', 'nginx', 'llama-gate.conf'), 'utf8');
    const config = substitute(shipped, [
      { of: 'server 127.0.0.1:8080;', by: `server 127.0.0.1:${router.port};` },
      { of: 'server 127.0.0.1:10180;', by: `server 127.0.0.1:${exporter.service.port};` },
      { of: 'listen 8000;', by: `listen 127.0.0.1:${port};` },
    ]);
    nginx = await startNginx(config, port);
  });
  afterAll(() => nginx?.stop());

  it('waits for the busy one, measures the memory, holds it while the command runs, and loads both again', async () => {
    await loadBoth();
    // Some seconds: longer than a program takes to start on a busy machine.
    const tokens = 30_000;
    const { answer } = await generate(router, ONE, tokens);
    const { note, timeline, stop } = takeNotes();
    void answer.then(({ status }) => note(`the client of the busy model has its answer (${status})`));
    const run = start('run', '--need', '200M', '--restore', '--reason', 'training', '--', 'sleep', '5');
    await run.untilSaid(`waiting for ${ONE} to finish`);
    note(`run prints that it waits for ${ONE}`);
    const since = Date.parse((await holds())[0]?.since ?? '');
    await until('the idle model to be gone', async () => !(await runningOn(router)).includes(OTHER));
    expect(await runningOn(router)).toEqual([ONE]);
    await run.untilSaid('memory free after');
    note('memory is measured free: run starts the command');
    expect((await answer).tokens).toBe(tokens);
    expect(await runningOn(router)).toEqual([]);
    expect(await exporter.value('llama_router_gpu_memory_used_bytes')).toBe(50 * 1024 * 1024);
    const refused = await fetch(`${front}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ model: ONE, messages: [{ role: 'user', content: 'a' }], max_tokens: 3 }),
    });
    const { error } = (await refused.json()) as { error: { message: string } };
    note(`a client asks for ${ONE}: ${refused.status} ${error.message}`);
    expect([refused.status, error.message]).toEqual([
      503,
      expect.stringMatching(/kept free until .* for training \(requested by .+@.+\)\.$/),
    ]);
    const waiting = fetch(`${exporter.url}/api/v1/gate?wait=60`);
    void waiting.then(({ status }) => note(`a client that waits at the gate may pass (${status})`));
    const { code, err } = await run.ended;
    note(`the command has ended, and run with exit code ${code}`);
    expect([code, await holds()]).toEqual([0, []]);
    expect(err).toMatch(/memory free after [\d.]+m?s: 250\.0 MiB on GPU 0\n/);
    expect((await waiting).status).toBe(204);
    await until('both models to be back', async () => (await runningOn(router)).length === 2);
    await exporter.untilValue('llama_router_model_status', { model: OTHER, status: 'loaded' }, 1);
    stop();
    // docs/hold.md shows it.
    process.stderr.write(timeline(since));
  }, 120_000);
});

/** Notes what happens, and when: also each change of a model's status that the exporter sees. */
function takeNotes() {
  const noted: [at: number, what: string][] = [];
  const note = (what: string) => void noted.push([Date.now(), what]);
  const stop = exporter.service.fleet.store.onTransition((transition) => {
    if (transition.kind !== 'model' || transition.change.kind !== 'status') return;
    note(`${transition.model} is ${transition.change.to}`);
  });
  const timeline = (since: number) =>
    noted.map(([at, what]) => `${((at - since) / 1000).toFixed(2).padStart(6)} s  ${what}\n`).join('');
  return { note, timeline, stop };
}

describe('run', () => {
  afterEach(noHold);

  it('passes on standard input, output and the exit code', async () => {
    const { code, out } = await start('run', '--unload', 'none', 'sh', '-c', 'echo out; exit 7').ended;
    expect([code, out]).toEqual([7, 'out\n']);
  });

  it('releases the hold when the command cannot be started or is killed', async () => {
    const killed = await start('run', '--', 'sh', '-c', 'kill -KILL $$').ended;
    const missing = await start('run', '--', 'no-such-command').ended;
    expect([killed.code, missing.code]).toEqual([137, 127]);
    expect(missing.err).toBe('llama-router-exporter: no-such-command is not found\n');
  });

  it('does not run the command without an exporter', async () => {
    const { code, out, err } = await start('run', '--exporter', 'http://127.0.0.1:9', '--', 'echo', 'ran')
      .ended;
    expect([code, out]).toEqual([125, '']);
    expect(err).toMatch(
      /cannot be reached.*\. Start the exporter there, .* with --direct\. echo was not run\n$/,
    );
  });

  it('does not run the command when memory cannot be freed', async () => {
    await loadBoth();
    const busy = await keepBusy(router, ONE);
    const need = ['--need', '200M', '--when-busy', 'skip'];
    const { code, err } = await start('run', ...need, '--', 'echo', 'ran').ended;
    expect([code, err]).toEqual([
      125,
      expect.stringMatching(new RegExp(`memory could not be freed: .*${ONE}.* echo was not run\\n$`)),
    ]);
    expect(await busy.finish()).toBe(true);
  });

  it('does not need an exporter with --direct', async () => {
    await loadBoth();
    const { code, out, err } = await start('run', '--direct', '--router', router.url, '--', 'echo', 'ran')
      .ended;
    expect([code, out]).toEqual([0, 'ran\n']);
    expect(err).toContain('nothing keeps clients from loading models again');
    expect(await runningOn(router)).toEqual([]);
  });
});

describe('signals', () => {
  afterEach(noHold);
  const TRAPS = `for s in INT TERM HUP USR1 USR2; do trap "echo $s" $s; done; trap 'echo QUIT; exit 3' QUIT`;

  it('reach the command once each', async () => {
    const run = start(
      'run',
      '--unload',
      'none',
      '--',
      'sh',
      '-c',
      `${TRAPS}; echo ready; while :; do sleep 0.05; done`,
    );
    await run.untilSaid('ready');
    for (const signal of ['INT', 'TERM', 'HUP', 'USR1', 'USR2', 'QUIT'] as const) {
      run.child.kill(`SIG${signal}`);
      await run.untilSaid(`${signal}\n`);
    }
    expect(await run.ended).toMatchObject({ code: 3, out: 'ready\nINT\nTERM\nHUP\nUSR1\nUSR2\nQUIT\n' });
  });

  it.each<[string[], NodeJS.Signals, number, string]>([
    [['run', '--', 'echo', 'ran'], 'SIGTERM', 143, 'SIGTERM: echo was not run'],
    [['run', '--', 'echo', 'ran'], 'SIGINT', 130, 'SIGINT: echo was not run'],
    [['hold', '--for', '5m', '--unload', 'all'], 'SIGINT', 130, 'SIGINT: the hold is released'],
  ])('while memory is being freed end %j and its hold: %s', async (args, signal, expected, words) => {
    await loadBoth();
    const busy = await keepBusy(router, ONE);
    const run = start(...args);
    await run.untilSaid(`waiting for ${ONE}`);
    run.child.kill(signal);
    const { code, out, err } = await run.ended;
    expect([code, out, err]).toEqual([expected, '', expect.stringContaining(words)]);
    expect([await holds(), await runningOn(router)]).toEqual([[], [ONE]]);
    expect(await busy.finish()).toBe(true);
  });

  it('that kill run leave a hold that expires', async () => {
    const run = start(
      'run',
      '--unload',
      'none',
      '--for',
      '3s',
      '--',
      'sh',
      '-c',
      'echo ready; exec sleep 30',
    );
    await run.untilSaid('ready');
    const startedAt = performance.now();
    run.child.kill('SIGKILL');
    expect(await holds()).toHaveLength(1);
    await noHold();
    expect(performance.now() - startedAt).toBeLessThan(3500);
  });

  it('SIGTSTP and SIGCONT stop and continue the command', async () => {
    // As a job of a shell: the kernel does not stop a process that no shell of its session could continue.
    const command = ['run', '--unload', 'none', '--', 'sh', '-c', 'echo $$; exec sleep 60'];
    const job = startProgram(
      'bash',
      '-c',
      'set -m; "$@" & echo $!; wait -f $!',
      'bash',
      process.execPath,
      MAIN,
      ...command,
    );
    const pids = await until('the command', () => {
      const lines = job.out().split('\n');
      return lines.length === 3 && lines.slice(0, 2).map(Number);
    });
    const [run = Number.NaN] = pids;
    const states = () => pids.map(stateOf).join('');
    process.kill(run, 'SIGTSTP');
    await until('both to be stopped', () => states() === 'TT');
    process.kill(run, 'SIGCONT');
    await until('both to continue', () => states() === 'SS');
    process.kill(run, 'SIGTERM');
    expect(await job.ended).toMatchObject({ code: 143 });
  });
});

/** `S`: it sleeps; `T`: it is stopped. */
function stateOf(pid: number): string | undefined {
  return /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1];
}

describe('in a terminal', () => {
  const RUN = `exec ${process.execPath} ${MAIN} run --unload none -- `;
  const RUN_JOB = RUN.replace('exec ', '');
  const COUNTING = `sh -c 'trap "echo caught" INT; trap "echo ended; exit 5" TERM; echo ready; while :; do sleep 0.05; done'`;
  afterEach(noHold);

  it('Ctrl-C reaches the command once', async () => {
    const session = startInTerminal(`${RUN}${COUNTING}`, environment());
    await session.untilShown(/ready/);
    session.type('\u0003');
    await session.untilShown(/caught/);
    expect((await holds())[0]?.id).toBeDefined();
    session.type('\u001c');
    expect(await session.ended).toBe(131);
    expect(session.shown().match(/caught/g)).toHaveLength(1);
  });

  it('the command reads what is typed', async () => {
    const session = startInTerminal(`${RUN}sh -c 'echo ready; read x; echo "got <$x>"'`, environment());
    await session.untilShown(/ready/);
    session.type('hello\r');
    await session.untilShown(/got <hello>/);
    expect(await session.ended).toBe(0);
  });

  it('Ctrl-Z stops both, fg and bg continue them, and Ctrl-C ends the one in the foreground', async () => {
    // The shell shows the command line too: only whole lines are its output.
    const shell = startInTerminal('bash --norc -i', environment());
    shell.type(`${RUN_JOB}${COUNTING}\r`);
    await shell.untilShown(/\nready/);
    shell.type('\u001a');
    await shell.untilShown(/Stopped/);
    shell.type('bg\r');
    await shell.untilShown(/&/);
    shell.type('fg\r');
    await shell.untilShown(/run --unload/);
    shell.type('\u0003');
    await shell.untilShown(/\n(\^C)?caught\r/);
    shell.type('\u001a');
    await shell.untilShown(/Stopped/);
    shell.type('kill %1; fg\r');
    await shell.untilShown(/\nended\r/);
    shell.type('echo "code <$?>"; exit\r');
    await shell.ended;
    expect(shell.shown().match(/^(\^C)?caught\r$/gm)).toHaveLength(1);
  });

  it('a run that ends in the background leaves the terminal as the foreground has set it', async () => {
    const shell = startInTerminal('bash --norc', environment());
    shell.type(`${RUN_JOB}sh -c 'echo ready; sleep 1' & stty -echo; wait; stty -a; exit\r`);
    await shell.ended;
    expect(shell.shown()).toMatch(/ -echo /);
  });

  it('a closed terminal ends the command and releases the hold', async () => {
    const session = startInTerminal(
      `${RUN}sh -c 'trap "exit 1" HUP; echo ready; while :; do sleep 0.05; done'`,
      environment(),
    );
    await session.untilShown(/ready/);
    expect(await holds()).toHaveLength(1);
    session.hangUp();
    await noHold();
  });
});
