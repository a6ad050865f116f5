import { expect, it } from '@jest/globals';
import { notLocal, type Whence } from '../../../src/http/auth/loopback.ts';

const local: Whence = { peer: '127.0.0.1', host: 'localhost:10180', forwarded: false };

it.each<[string, Partial<Whence>]>([
  ['curl on this machine', {}],
  ['IPv6', { peer: '::1', host: '[::1]:10180' }],
  ['IPv4 in IPv6', { peer: '::ffff:127.0.0.1', host: '127.0.0.1:10180' }],
  ['another loopback address', { peer: '127.8.8.8', host: '127.8.8.8' }],
  ['a host name in capitals', { host: 'LOCALHOST:10180' }],
])('knows %s as local', (_, given) => {
  expect(notLocal({ ...local, ...given })).toBeUndefined();
});

const ELSEWHERE = 'only callers on this machine (loopback) may do this without a token';
const notName = (name: string) => `the Host header must name this machine (localhost), not ${name}`;

it.each<[string, Partial<Whence>, string]>([
  ['another machine', { peer: '192.168.1.7' }, ELSEWHERE],
  ['another machine that names us localhost', { peer: '10.0.0.1', host: 'localhost' }, ELSEWHERE],
  ['another machine, IPv4 in IPv6', { peer: '::ffff:192.168.1.7' }, ELSEWHERE],
  ['nobody', { peer: undefined }, ELSEWHERE],
  [
    'somebody behind a proxy on this machine',
    { forwarded: true },
    'a proxy sent it for somebody else, who may be anywhere',
  ],
  ['a name that was rebound', { host: 'evil.example:10180' }, notName('evil.example:10180')],
  ['a name that begins with an address', { host: '127.0.0.1.nip.io' }, notName('127.0.0.1.nip.io')],
  ['a name that ends with localhost', { host: 'evil-localhost' }, notName('evil-localhost')],
  ['a name under localhost', { host: 'localhost.evil.example' }, notName('localhost.evil.example')],
  ['no Host', { host: undefined }, notName('nothing')],
  ['an empty Host', { host: '' }, notName('')],
])('tells %s from this machine', (_, given, reason) => {
  expect(notLocal({ ...local, ...given })).toBe(reason);
});
