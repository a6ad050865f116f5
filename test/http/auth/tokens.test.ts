import { expect, it } from '@jest/globals';
import { findToken } from '../../../src/http/auth/tokens.ts';
import { Secret } from '../../../src/lib/secret.ts';

const aToken = (name: string, token: string) => ({
  name,
  token: new Secret(token),
  routers: [],
  dry_run: false,
});
const tokens = [aToken('one', 'first-0123456789'), aToken('two', 'second-0123456789')];

it.each<[string, string | undefined]>([
  ['first-0123456789', 'one'],
  ['second-0123456789', 'two'],
  ['second-012345678', undefined],
  ['second-0123456789 ', undefined],
  ['SECOND-0123456789', undefined],
  ['', undefined],
  ['x'.repeat(16_000), undefined],
])('knows %s as %s', (presented, name) => {
  expect(findToken(tokens, presented)?.name).toBe(name);
});

it('knows nobody where there are no tokens', () => {
  expect(findToken([], '')).toBeUndefined();
});
