import { runCli } from '../../src/cli/cli.ts';

/** Runs the program in this process and returns its exit code and output. */
export async function runProgram(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const terminal = {
    out: (text: string) => void out.push(text),
    err: (text: string) => void err.push(text),
    isInteractive: false,
  };
  const code = await runCli(args, terminal);
  return { code, out: out.join(''), err: err.join('') };
}
