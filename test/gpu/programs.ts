import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { childrenOf } from '../support/process-table.ts';
import { until } from '../support/until.ts';

/** A program that this suite started. Its output is in a file. */
export interface Program {
  readonly pid: number;
  log(): string;
  stop(): Promise<void>;
}

/** Starts a program and resolves when `url` answers; rejects with its output if it ends first. */
export async function startProgram(
  command: readonly string[],
  { url, logFile, env = {} }: { url: string; logFile: string; env?: Record<string, string> },
): Promise<Program> {
  const output = openSync(logFile, 'a');
  const [file = '', ...args] = command;
  const child = spawn(file, args, { stdio: ['ignore', output, output], env: { ...process.env, ...env } });
  closeSync(output);
  const log = () => readFileSync(logFile, 'utf8');
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  await until(`${file} to answer at ${url}`, async () => hasEnded() || (await answers(url)), {
    timeoutMs: 60_000,
  });
  if (hasEnded()) throw new Error(`${file} ended at once:\n${log()}`);
  return { pid: child.pid ?? 0, log, stop: () => end(child) };
}

/** llama-server with the libraries of its folder. */
export function startLlamaServer(port: number, args: readonly string[], logFile: string): Promise<Program> {
  const binary = program('LLAMA_SERVER_BIN');
  const common = ['--host', '127.0.0.1', '--port', String(port), '--offline', '-c', '256', '-ngl', '99'];
  const libraries = [dirname(binary), process.env.LD_LIBRARY_PATH].filter(Boolean).join(':');
  return startProgram([binary, ...common, ...args], {
    url: `http://127.0.0.1:${port}/health`,
    logFile,
    env: { LD_LIBRARY_PATH: libraries },
  });
}

/** The path of a program that tools/test-gpu.mjs or the caller names in the environment. */
export function program(variable: string): string {
  const path = process.env[variable];
  if (!path) throw new Error(`${variable} is not set: start this suite with \`npm run test:gpu\`.`);
  return path;
}

/** The process that serves a model of the router `pid`; undefined if there is none. */
export function modelPid(routerPid: number, model: string): number | undefined {
  return childrenOf(routerPid).find(({ args }) => args[args.indexOf('--alias') + 1] === model)?.pid;
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const killer = setTimeout(() => child.kill('SIGKILL'), 5000);
  await once(child, 'exit');
  clearTimeout(killer);
}
