/**
 * The arguments of a command as llama-swap splits it: like a POSIX shell, without expansions. A backslash at the end of a
 * line joins lines, and lines that begin with # are comments.
 */
export function splitCommand(command: string): string[] {
  const lines = command.split('\n').filter((line) => !line.trim().startsWith('#'));
  const text = lines.map((line) => line.replace(/\\\s*$/, ' ')).join('\n');
  const words = text.matchAll(/(?:[^\s'"\\]|\\[\s\S]|'[^']*'|"(?:[^"\\]|\\[\s\S])*")+/g);
  return [...words].map(([word]) =>
    word.replace(/\\([\s\S])|'([^']*)'|"((?:[^"\\]|\\[\s\S])*)"/g, (_, escaped, single, double) => {
      return escaped ?? single ?? double.replace(/\\(["\\$`])/g, '$1');
    }),
  );
}

/**
 * Whether a process with these arguments runs a command: they are equal, or its end where a program such as `env` or
 * `chroot` replaced itself, or those of the interpreter of a script.
 */
export function runsCommand(args: readonly string[], command: readonly string[]): boolean {
  if (args.length === 0 || command.length === 0) return false;
  if (args.length <= command.length) return isEndOf(args, command);
  const program = args[args.length - command.length];
  return isEndOf(command.slice(1), args) && nameOf(program) === nameOf(command[0]);
}

/** The arguments in /proc/PID/cmdline. */
export function argumentsIn(cmdline: string): string[] {
  return cmdline.split('\0').slice(0, -1);
}

function isEndOf(end: readonly string[], all: readonly string[]): boolean {
  const skipped = all.length - end.length;
  return end.every((word, index) => word === all[skipped + index]);
}

function nameOf(program = ''): string {
  return program.slice(program.lastIndexOf('/') + 1);
}
