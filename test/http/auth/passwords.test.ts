import { describe, expect, it } from '@jest/globals';
import { hashSync } from 'bcryptjs';
import { type Compare, createComparer, createPasswords } from '../../../src/http/auth/passwords.ts';
import { Secret } from '../../../src/lib/secret.ts';
import { settled } from '../../support/stepped-clock.ts';

/** Hashes are `hash of PASSWORD`; a comparison takes until the test ends it. */
function aComparer() {
  const open: (() => void)[] = [];
  let asked = 0;
  const compare: Compare = (password, hash) => {
    asked += 1;
    return new Promise((resolve) => open.push(() => resolve(hash === `hash of ${password}`)));
  };
  const finish = async () => {
    for (const end of open.splice(0)) end();
    await settled();
  };
  return { compare, finish, asked: () => asked };
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
    const { compare, finish, asked } = aComparer();
    const result = createPasswords(compare).check(users, user, password);
    await finish();
    expect([await result, asked()]).toEqual([outcome, 1]);
  });

  it('are compared once when they are right, and each time when they are wrong', async () => {
    const { compare, finish, asked } = aComparer();
    const passwords = createPasswords(compare);
    for (const password of ['a', 'a', 'x', 'x']) {
      const result = passwords.check(users, 'alice', password);
      await finish();
      await result;
    }
    expect(asked()).toBe(3);
  });

  it('are compared again once the hash is another', async () => {
    const { compare, finish } = aComparer();
    const passwords = createPasswords(compare);
    const before = passwords.check(users, 'alice', 'a');
    await finish();
    expect(await before).toBe('right');
    const after = passwords.check(usersOf({ alice: 'new' }), 'alice', 'a');
    await finish();
    expect(await after).toBe('wrong');
  });

  it('are of no use to a user who was taken away, though another has the same hash', async () => {
    const { compare, finish } = aComparer();
    const passwords = createPasswords(compare);
    const before = passwords.check(usersOf({ alice: 'a', bob: 'a' }), 'bob', 'a');
    await finish();
    expect(await before).toBe('right');
    const after = passwords.check(usersOf({ alice: 'a' }), 'bob', 'a');
    await finish();
    expect(await after).toBe('wrong');
  });

  it('that come together are compared once; of too many different ones the rest is turned away', async () => {
    const { compare, finish, asked } = aComparer();
    const passwords = createPasswords(compare);
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
    expect(await createPasswords(aComparer().compare).check(new Map(), 'alice', 'a')).toBe('wrong');
  });
});

it('a thread compares with bcrypt hashes of other programs, without blocking the event loop', async () => {
  const compare = createComparer();
  // Made by crypt(3).
  const made = '$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a';
  const order: string[] = [];
  setImmediate(() => order.push('others had their turn'));
  const answers = ['secret', 'Secret', ''].map((password) => compare(password, made));
  answers.push(compare('secret', hashSync('secret', 4)));
  answers[0]?.then(() => order.push('compared'));
  expect(await Promise.all(answers)).toEqual([true, false, false, true]);
  expect(order).toEqual(['others had their turn', 'compared']);
});
