import { readFileSync } from 'node:fs';

/** Signals that ask a program to end. */
const ENDING: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'];

const PASSED_ON: readonly NodeJS.Signals[] = [...ENDING, 'SIGUSR1', 'SIGUSR2', 'SIGWINCH', 'SIGCONT'];

/** Signals that a terminal sends to all processes of its foreground group. */
const FROM_TERMINAL: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT', 'SIGWINCH', 'SIGTSTP'];

export type Signals = ReturnType<typeof catchSignals>;

/** From now on signals do not end this process. */
export function catchSignals() {
  let passTo: ((signal: NodeJS.Signals) => void) | undefined;
  let end: (signal: NodeJS.Signals) => void = () => {};
  const first = new Promise<NodeJS.Signals>((resolve) => {
    end = resolve;
  });
  for (const signal of PASSED_ON) process.on(signal, receive);
  process.on('SIGTSTP', stop);
  return {
    /** Resolves with the first signal that asks this process to end, while signals are not passed on. */
    first,
    /** Passes signals on to a command, except those that it receives from the terminal itself. */
    passOn(to: ((signal: NodeJS.Signals) => void) | undefined): void {
      passTo = to;
    },
    release(): void {
      for (const signal of PASSED_ON) process.off(signal, receive);
      process.off('SIGTSTP', stop);
    },
  };

  function receive(signal: NodeJS.Signals): void {
    if (passTo === undefined) {
      if (ENDING.includes(signal)) end(signal);
    } else if (isForCommand(signal, isInForeground())) passTo(signal);
  }

  /** Stops the command and then this process, until SIGCONT. */
  function stop(): void {
    if (isForCommand('SIGTSTP', isInForeground())) passTo?.('SIGTSTP');
    // By its default action: the kernel ignores it where no shell could continue the process.
    process.off('SIGTSTP', stop);
    process.kill(process.pid, 'SIGTSTP');
    process.on('SIGTSTP', stop);
  }
}

/** Whether a command in the same process group needs a signal that this process has received. */
export function isForCommand(signal: NodeJS.Signals, inForeground: boolean): boolean {
  return !(inForeground && FROM_TERMINAL.includes(signal));
}

/** Whether a terminal sends its signals to this process group. */
function isInForeground(): boolean {
  try {
    return isForegroundStat(readFileSync('/proc/self/stat', 'utf8'));
  } catch {
    // No Linux.
    return process.stdin.isTTY === true || process.stderr.isTTY === true;
  }
}

/** By a line of /proc/PID/stat: the name of the program in parentheses, state, ppid, pgrp, session, tty_nr, tpgid. */
export function isForegroundStat(stat: string): boolean {
  const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return group !== undefined && group === foreground;
}
