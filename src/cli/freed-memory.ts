import type { MemoryView } from '../http/view-schemas.ts';
import { formatBytes } from '../lib/bytes.ts';
import type { Operation } from '../unload/report.ts';
import { printable } from './text.ts';

/** `12.3 GiB on GPU 0`; without measured GPUs, what was unloaded. */
export function describeFreed(memory: MemoryView, operation: Operation | undefined): string {
  const gpus = memory.gpus.flatMap(({ gpu, total_bytes, used_bytes }) =>
    total_bytes === null || used_bytes === null
      ? []
      : [`${formatBytes(Math.max(0, total_bytes - used_bytes))} on GPU ${gpu}`],
  );
  if (gpus.length > 0) return printable(gpus.join(', '));
  const results = operation?.routers.flatMap(({ models }) => models) ?? [];
  const gone = results.filter(({ result }) => result === 'unloaded' || result === 'forced');
  return gone.length === 0
    ? 'nothing was unloaded'
    : printable(`unloaded ${gone.map(({ model }) => model).join(', ')}`);
}

/** Calls `say` once for each model that an operation waits for. */
export function sayWaiting(say: (line: string) => void): (operation: Operation) => void {
  const said = new Set<string>();
  return ({ routers }) => {
    for (const { router, models } of routers) {
      for (const { model, result, detail } of models) {
        const key = JSON.stringify([router, model]);
        if (result !== null || detail === undefined || said.has(key)) continue;
        said.add(key);
        say(printable(`waiting for ${model} to finish: ${detail}`));
      }
    }
  };
}
