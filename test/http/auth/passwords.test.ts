import { afterEach, describe, expect, it } from '@jest/globals';
import { hashSync } from 'bcryptjs';
import { type Comparer, createComparer, createPasswords } from '../../../src/http/auth/passwords.ts';
import { Secret } from '../../../src/lib/secret.ts';
import { settled } from '../../support/stepped-clock.ts';

/** Hashes are `hash of PASSWORD`; a comparison takes until the test ends it. */
function aComparer() {
  const open: (() => void)[] = [];
  let asked = 0;
  const comparer: Comparer = {
    compare(password, hash) {
      asked += 1;
      return new Promise((resolve) => open.push(() => resolve(hash === `hash of ${password}`)));
    },
    close: async () => {},
  };
  const finish = async () => {
    for (const end of open.splice(0)) end();
    await settled();
  };
  return { comparer, finish, asked: () => asked };
}

const usersOf = (users: Record<string, string>) =>
  new Map(Object.entries(users).map(([name, password]) => [name, new Secret(`hash of ${password}`)]));
const users = usersOf({ alice: 'a', bob: 'b' });

describe('passwords', () => {
  it.each<[string, string, string]>([
    ['alice', 'a', 'right'],
    ['bob', 'b', 'right'],
    ['alice', 'b', 'wrong'],
    ['unknown', 'a', 'wrong'],
    ['__proto__', 'a', 'wrong'],
  ])('of %s: %s is %s, after one comparison', async (user, password, outcome) => {
    const { comparer, finish, asked } = aComparer();
    const result = createPasswords(comparer).check(users, user, password);
    await finish();
    expect([await result, asked()]).toEqual([outcome, 1]);
  });

  it('are compared once when they are right, and each time when they are wrong', async () => {
    const { comparer, finish, asked } = aComparer();
    const passwords = createPasswords(comparer);
    for (const password of ['a', 'a', 'x', 'x']) {
      const result = passwords.check(users, 'alice', password);
      await finish();
      await result;
    }
    expect(asked()).toBe(3);
  });

  it('are compared again once the hash is another', async () => {
    const { comparer, finish } = aComparer();
    const passwords = createPasswords(comparer);
    const before = passwords.check(users, 'alice', 'a');
    await finish();
    expect(await before).toBe('right');
    const after = passwords.check(usersOf({ alice: 'new' }), 'alice', 'a');
    await finish();
    expect(await after).toBe('wrong');
  });

  it('are of no use to a user who was taken away, though another has the same hash', async () => {
    const { comparer, finish } = aComparer();
    const passwords = createPasswords(comparer);
    const before = passwords.check(usersOf({ alice: 'a', bob: 'a' }), 'bob', 'a');
    await finish();
    expect(await before).toBe('right');
    const after = passwords.check(usersOf({ alice: 'a' }), 'bob', 'a');
    await finish();
    expect(await after).toBe('wrong');
  });

  it('that come together are compared once; of too many different ones the rest is turned away', async () => {
    const { comparer, finish, asked } = aComparer();
    const passwords = createPasswords(comparer);
    const same = [1, 2, 3].map(() => passwords.check(users, 'alice', 'a'));
    const others = ['p', 'q', 'r', 's'].map((password) => passwords.check(users, 'alice', password));
    const again = passwords.check(users, 'alice', 'a');
    await finish();
    expect(await Promise.all([...same, ...others, again])).toEqual([
      ...['right', 'right', 'right', 'wrong', 'wrong', 'wrong', 'busy', 'right'],
    ]);
    expect(asked()).toBe(4);
  });

  it('are all wrong where there are no users', async () => {
    expect(await createPasswords(aComparer().comparer).check(new Map(), 'alice', 'a')).toBe('wrong');
  });
});

describe('the thread', () => {
  let comparer: Comparer;
  afterEach(() => comparer.close());

  it('compares with bcrypt hashes of other programs, without blocking the event loop', async () => {
    comparer = createComparer();
    // Made by crypt(3).
    const made = '$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a';
    const order: string[] = [];
    setImmediate(() => order.push('others had their turn'));
    const answers = ['secret', 'Secret', ''].map((password) => comparer.compare(password, made));
    answers.push(comparer.compare('secret', hashSync('secret', 4)));
    answers[0]?.then(() => order.push('compared'));
    expect(await Promise.all(answers)).toEqual([true, false, false, true]);
    expect(order).toEqual(['others had their turn', 'compared']);
  });

  it('that is ended rejects what is under way, and the next comparison starts another', async () => {
    comparer = createComparer();
    const under = comparer.compare('secret', hashSync('secret', 12));
    await Promise.all([comparer.close(), expect(under).rejects.toThrow('has ended')]);
    expect(await comparer.compare('secret', hashSync('secret', 4))).toBe(true);
  });
});
