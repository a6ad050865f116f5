import type { ModelProcessHint, RouterProcessHint } from './parents.ts';
import { childrenIn, familyOf, type ProcessTree } from './process-tree.ts';
import { isSame, type ModelProcess, type ProcessId, type TableProcess } from './reading.ts';

/**
 * The processes of a router's models. Pure. Where the router tells the commands of its models, a model has the child that
 * runs its command, otherwise the child that listens on the model's port, itself or by a descendant; with all descendants.
 */
export function modelProcesses(
  { models }: RouterProcessHint,
  parent: ProcessId,
  aliased: readonly ModelProcess[],
  tree: ProcessTree,
): ModelProcess[] {
  if (models.every(({ command }) => command === undefined)) return childrenOf(parent, aliased);
  const commands = models.map((model) => ({ model, words: splitCommand(model.command ?? '') }));
  return childrenIn(tree, parent).flatMap((child) => {
    const family = familyOf(child, tree);
    const model = modelRunBy(child, commands) ?? modelServedBy(family, models);
    const isContainer = family.some(({ cmdline }) => CONTAINER_CLIENT.test(cmdline));
    const of = { alias: model?.id ?? '', port: model?.port ?? 0, parent, isContainer };
    return family.map(({ pid, startTicks }) => ({ pid, startTicks, ...of }));
  });
}

const CONTAINER_CLIENT = /^(?:[^\0]*\/)?(?:docker|podman|nerdctl)\0(?:.*\0)?(?:run|start|exec|compose)\0/s;

/** The parents of processes with the commands of the router's models, as far as they are no candidates already. */
export function startersOf(
  { models }: RouterProcessHint,
  candidates: readonly ProcessId[],
  tree: ProcessTree,
): ProcessId[] {
  const known = new Set(candidates.map(({ pid }) => pid));
  const running = models.filter(({ isRunning }) => isRunning);
  const children = running.flatMap((model) => processesThatRun(model, tree));
  const starters = children.flatMap(({ parentPid }) => tree.byPid.get(parentPid) ?? []);
  return [...new Set(starters)].filter(({ pid }) => !known.has(pid));
}

export function processesThatRun({ command }: ModelProcessHint, tree: ProcessTree): TableProcess[] {
  if (command === undefined) return [];
  const words = splitCommand(command);
  // There may be thousands.
  const similar = tree.processes.filter(({ cmdline }) => cmdline.endsWith(`${words.at(-1)}\0`));
  return similar.filter(({ cmdline }) => runsCommand(argumentsIn(cmdline), words));
}

/** What a model ran before counts less than what another one runs. */
function modelRunBy(
  { cmdline }: TableProcess,
  commands: readonly { model: ModelProcessHint; words: readonly string[] }[],
): ModelProcessHint | undefined {
  const args = argumentsIn(cmdline);
  const same = commands.flatMap(({ model, words }) => (runsCommand(args, words) ? [model] : []));
  return only(same.filter(({ isRunning }) => isRunning)) ?? only(same);
}

function modelServedBy(family: readonly TableProcess[], models: readonly ModelProcessHint[]) {
  const ports = new Set(family.flatMap(({ listens = [] }) => listens));
  return only(models.filter(({ isRunning, port }) => isRunning && port !== undefined && ports.has(port)));
}

export function childrenOf(parent: ProcessId, models: readonly ModelProcess[]): ModelProcess[] {
  return models.filter((model) => isSame(model.parent, parent));
}

export function only<Value>(values: readonly Value[]): Value | undefined {
  return values.length === 1 ? values[0] : undefined;
}

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
function argumentsIn(cmdline: string): string[] {
  return cmdline.split('\0').slice(0, -1);
}

function isEndOf(end: readonly string[], all: readonly string[]): boolean {
  const skipped = all.length - end.length;
  return end.every((word, index) => word === all[skipped + index]);
}

function nameOf(program = ''): string {
  return program.slice(program.lastIndexOf('/') + 1);
}
