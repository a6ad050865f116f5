import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { createLimit } from '../../lib/concurrency.ts';
import { keepLatest } from '../../lib/keep-latest.ts';
import type { Secret } from '../../lib/secret.ts';

/** Bcrypt hashes of passwords by user. */
export type Users = ReadonlyMap<string, Secret>;

/** Callers behind a longer queue would wait for seconds. */
const MAX_PENDING = 4;
const MAX_REMEMBERED = 100;

/** Checks passwords; a right one is remembered as long as its hash stays the same. */
export function createPasswords(compare: Compare) {
  /** Different in every process, so that remembered digests are useless outside of it. */
  const key = randomBytes(32);
  const right = new Map<string, true>();
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
      const comparison = same ?? compare(password, hash).finally(() => running.delete(digest));
      running.set(digest, comparison);
      if (!(await comparison) || own === undefined) return 'wrong';
      keepLatest(right, digest, true, MAX_REMEMBERED);
      return 'right';
    },
  };
}

export type Passwords = ReturnType<typeof createPasswords>;

/** Whether a password has this bcrypt hash. */
export type Compare = (password: string, hash: string) => Promise<boolean>;

const THREAD = readFileSync(new URL('./compare.cjs', import.meta.url), 'utf8');

/**
 * Compares in a thread, one password after the other: one comparison takes a tenth of a second of CPU. The thread does not
 * keep the process alive.
 */
export function createComparer(): Compare {
  const oneAtATime = createLimit(1);
  return (password, hash) => oneAtATime(() => compareInThread(password, hash));
}

async function compareInThread(password: string, hash: string): Promise<boolean> {
  const thread = new Worker(THREAD, { eval: true, workerData: { password, hash } });
  thread.unref();
  const [isSame] = await once(thread, 'message');
  return isSame;
}
