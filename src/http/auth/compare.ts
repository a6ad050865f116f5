import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';

/** Compares passwords with bcrypt hashes in a thread of its own: one takes a tenth of a second of a core. */
export interface Comparer {
  /** How many are waiting or under way. */
  readonly pending: number;
  compare(password: string, hash: string): Promise<boolean>;
  /** Ends the thread; what is under way rejects. */
  close(): Promise<void>;
}

/**
 * The thread, as text: a file of its own would have another name before the build than after it. It answers in the
 * order in which it is asked.
 */
const THREAD = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { compareSync } = require(workerData);
  parentPort.on('message', ({ password, hash }) => parentPort.postMessage(compareSync(password, hash)));
`;

/** The thread begins with the first comparison: most services never need it. It does not keep the process alive. */
export function createComparer(): Comparer {
  let thread: Worker | undefined;
  const waiting: { resolve(same: boolean): void; reject(why: Error): void }[] = [];
  return {
    get pending() {
      return waiting.length;
    },
    compare(password, hash) {
      thread ??= start();
      return new Promise((resolve, reject) => {
        waiting.push({ resolve, reject });
        thread?.postMessage({ password, hash });
      });
    },
    async close() {
      await thread?.terminate();
    },
  };

  function start(): Worker {
    const workerData = createRequire(import.meta.url).resolve('bcryptjs');
    const worker = new Worker(THREAD, { eval: true, workerData });
    worker.unref();
    worker.on('message', (same: boolean) => waiting.shift()?.resolve(same));
    worker.on('error', end);
    worker.on('exit', () => end(new Error('the thread that compares passwords has ended')));
    return worker;

    function end(why: Error): void {
      if (thread === worker) thread = undefined;
      for (const { reject } of waiting.splice(0)) reject(why);
    }
  }
}
