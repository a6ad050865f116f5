import { expect, it } from '@jest/globals';
import { type Credentials, hasTokenInQuery, readCredentials } from '../../../src/http/auth/credentials.ts';

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
