import { createHmac, randomBytes } from 'node:crypto';
import type { Secret } from '../../lib/secret.ts';
import type { Comparer } from './compare.ts';

export type Outcome = 'right' | 'wrong' | 'busy';

/** Users by name, with the bcrypt hashes of their passwords. */
export type Users = ReadonlyMap<string, Secret>;

/** Who waits behind more than this would wait for seconds. */
const MOST_PENDING = 4;
/** Each is a user with a right password, but the file may change often. */
const MOST_REMEMBERED = 100;

/** Tells right passwords from wrong ones; what was right once is remembered for as long as the hash is the same. */
export function createPasswords(comparer: Comparer) {
  /** New in every process: what is remembered is of no use to whoever reads our memory later. */
  const key = randomBytes(32);
  const right = new Set<string>();
  const underWay = new Map<string, Promise<boolean>>();
  return {
    async check(users: Users, user: string, password: string): Promise<Outcome> {
      // Somebody unknown is compared as well, with no chance: the time taken must not tell who exists.
      const own = users.get(user);
      const [any] = users.values();
      const hash = (own ?? any)?.reveal();
      if (hash === undefined) return 'wrong';
      const mark = markOf(user, password, hash);
      if (own !== undefined && right.has(mark)) return 'right';
      const running = underWay.get(mark);
      if (running === undefined && comparer.pending >= MOST_PENDING) return 'busy';
      const same = await (running ?? begin(mark, password, hash));
      if (!same || own === undefined) return 'wrong';
      remember(mark);
      return 'right';
    },
    close: comparer.close,
  };

  /** Scrapers that begin together with the same password wait for one comparison. */
  function begin(mark: string, password: string, hash: string): Promise<boolean> {
    const running = comparer.compare(password, hash).finally(() => underWay.delete(mark));
    underWay.set(mark, running);
    return running;
  }

  function remember(mark: string): void {
    right.add(mark);
    const [oldest] = right;
    if (right.size > MOST_REMEMBERED && oldest !== undefined) right.delete(oldest);
  }

  function markOf(...parts: string[]): string {
    return createHmac('sha256', key).update(JSON.stringify(parts)).digest('base64');
  }
}

export type Passwords = ReturnType<typeof createPasswords>;
