import { createHmac, randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import type { Secret } from '../../lib/secret.ts';

/** Bcrypt hashes of passwords by user. */
export type Users = ReadonlyMap<string, Secret>;

/** Callers behind a longer queue would wait for seconds. */
const MAX_PENDING = 4;
const MAX_REMEMBERED = 100;

/** Checks passwords; a right one is remembered as long as its hash stays the same. */
export function createPasswords(comparer: Comparer) {
  /** Different in every process, so that remembered digests are useless outside of it. */
  const key = randomBytes(32);
  const right = new Set<string>();
  const running = new Map<string, Promise<boolean>>();
  return {
    async check(users: Users, user: string, password: string): Promise<'right' | 'wrong' | 'busy'> {
      // An unknown user is compared too: the time must not reveal which users exist.
      const own = users.get(user);
      const [any] = users.values();
      const hash = (own ?? any)?.reveal();
      if (hash === undefined) return 'wrong';
      const digest = createHmac('sha256', key)
        .update(JSON.stringify([user, password, hash]))
        .digest('base64');
      if (own !== undefined && right.has(digest)) return 'right';
      const same = running.get(digest);
      if (same === undefined && running.size >= MAX_PENDING) return 'busy';
      // Scrapers with the same password share one comparison.
      const comparison = same ?? comparer.compare(password, hash).finally(() => running.delete(digest));
      running.set(digest, comparison);
      if (!(await comparison) || own === undefined) return 'wrong';
      right.add(digest);
      const [oldest] = right;
      if (right.size > MAX_REMEMBERED && oldest !== undefined) right.delete(oldest);
      return 'right';
    },
    close: comparer.close,
  };
}

export type Passwords = ReturnType<typeof createPasswords>;

/** Compares passwords with bcrypt hashes in its own thread: one comparison takes a tenth of a second of CPU. */
export interface Comparer {
  compare(password: string, hash: string): Promise<boolean>;
  /** Ends the thread; running comparisons reject. */
  close(): Promise<void>;
}

/** As text, because a file would have another name after the build. It answers in the order of the requests. */
const THREAD = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { compareSync } = require(workerData);
  parentPort.on('message', ({ password, hash }) => parentPort.postMessage(compareSync(password, hash)));
`;

/** Starts the thread at the first comparison, and again when it has ended. It does not keep the process alive. */
export function createComparer(): Comparer {
  let thread: Worker | undefined;
  const waiting: { resolve(same: boolean): void; reject(why: Error): void }[] = [];
  return {
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
