import { join } from 'node:path';
import { failed, ok } from '../lib/result.ts';
import { isAbsence, parseMeminfo, readText } from './procfs.ts';
import type { Source } from './source.ts';

/** The machine's memory, in bytes. `availableBytes` is what programs could still have without swapping. */
export interface HostMemory {
  totalBytes: number;
  availableBytes: number;
}

/** The machine's own memory, which is the GPU's where the two share it. */
export function createHost(procfs: string): Source<HostMemory | undefined> {
  const path = join(procfs, 'meminfo');
  return {
    name: 'host',
    nothing: undefined,
    async read() {
      const text = await readText(path);
      if (!text.ok)
        return isAbsence(text.fault) ? ok(undefined) : failed(`${path} cannot be read (${text.fault})`);
      const memory = parseMeminfo(text.value);
      return memory ? ok(memory) : failed(`${path} does not tell MemTotal and MemAvailable`);
    },
  };
}
