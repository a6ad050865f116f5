import { expect, it } from '@jest/globals';
import {
  type Credentials,
  findToken,
  hasTokenInQuery,
  readCredentials,
} from '../../../src/http/auth/credentials.ts';
import { Secret } from '../../../src/lib/secret.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');
const basic = (user: string, password: string): Credentials => ({ kind: 'basic', user, password });

it.each<[string | undefined, Credentials]>([
  [undefined, { kind: 'none' }],
  ['Bearer abc', { kind: 'bearer', token: 'abc' }],
  ['bearer   a.b-c_d~e+f/g== ', { kind: 'bearer', token: 'a.b-c_d~e+f/g==' }],
  [`Basic ${base64('alice:secret')}`, basic('alice', 'secret')],
  [`BASIC ${base64('alice:a:b:c')}`, basic('alice', 'a:b:c')],
  [`Basic ${base64('älice:pässwort')}`, basic('älice', 'pässwort')],
  [`Basic ${base64(':')}`, basic('', '')],
  [`Basic ${base64('alice')}`, { kind: 'other' }],
  ['Basic not/base64!', { kind: 'other' }],
  ['Basic', { kind: 'other' }],
  ['Bearer', { kind: 'other' }],
  ['Bearer two words', { kind: 'other' }],
  ['Digest username="alice"', { kind: 'other' }],
  ['abc', { kind: 'other' }],
  ['', { kind: 'other' }],
])('reads %j', (header, credentials) => {
  expect(readCredentials(header)).toEqual(credentials);
});

it.each<[string, boolean]>([
  ['/-/reload', false],
  ['/-/reload?', false],
  ['/-/reload?dry_run=true', false],
  ['/token', false],
  ['/-/reload?token=abc', true],
  ['/-/reload?token', true],
  ['/-/reload?a=b&Access_Token=abc', true],
  ['/-/reload?%74oken=abc', true],
  ['/-/reload?a=%E0%A4%A&token=', true],
  ['/-/reload?my_token=abc', false],
])('finds a token in %s: %s', (url, found) => {
  expect(hasTokenInQuery(url)).toBe(found);
});

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
])('the token %s is that of %s', (presented, name) => {
  expect(findToken(tokens, presented)?.name).toBe(name);
});

it('without tokens no token is found', () => {
  expect(findToken([], '')).toBeUndefined();
});
