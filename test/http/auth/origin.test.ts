import { expect, it } from '@jest/globals';
import { isCrossSite, notLocal } from '../../../src/http/auth/origin.ts';

type Headers = Record<string, string | undefined>;

const program: Headers = { host: 'localhost:10180' };

it.each<[string, Headers]>([
  ['a program', {}],
  ['a program without Host', { host: undefined }],
  ['our own page', { origin: 'http://localhost:10180', 'sec-fetch-site': 'same-origin' }],
  ['our own page behind TLS', { host: 'exporter.example', origin: 'https://exporter.example' }],
  [
    'our own page at the port of its scheme',
    { host: 'exporter.example:443', origin: 'https://exporter.example' },
  ],
  ['an address typed into a browser', { 'sec-fetch-site': 'none' }],
])('%s is not another site', (_, given) => {
  expect(isCrossSite({ headers: { ...program, ...given } })).toBe(false);
});

it.each<[string, Headers]>([
  ['a page of another site', { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }],
  ['a page of another site in an old browser', { origin: 'https://evil.example' }],
  ['a page of another port', { origin: 'http://localhost:3000', 'sec-fetch-site': 'same-site' }],
  ['a page of another port in an old browser', { origin: 'http://localhost:3000' }],
  [
    'a page of the port of another scheme',
    { host: 'exporter.example:443', origin: 'http://exporter.example' },
  ],
  ['a form without an origin', { 'sec-fetch-site': 'cross-site' }],
  ['a page of nowhere', { origin: 'null' }],
  ['an empty origin', { origin: '' }],
  ['garbage for an origin', { origin: '::' }],
  ['a file', { origin: 'file://' }],
  ['an origin, but no Host', { origin: 'http://localhost:10180', host: undefined }],
  ['something new of browsers', { 'sec-fetch-site': 'same-planet' }],
])('%s is another site', (_, given) => {
  expect(isCrossSite({ headers: { ...program, ...given } })).toBe(true);
});

const LOOPBACK = '127.0.0.1';

it.each<[string, { peer?: string | undefined } & Headers]>([
  ['curl on this machine', {}],
  ['IPv6', { peer: '::1', host: '[::1]:10180' }],
  ['IPv4 in IPv6', { peer: '::ffff:127.0.0.1', host: '127.0.0.1:10180' }],
  ['another loopback address', { peer: '127.8.8.8', host: '127.8.8.8' }],
  ['a host name in capitals', { host: 'LOCALHOST:10180' }],
])('%s is local', (_, given) => {
  const { peer, ...headers } = { peer: LOOPBACK, host: 'localhost:10180', ...given };
  expect(notLocal(peer, headers)).toBeUndefined();
});

const ELSEWHERE = 'no token is configured, so only callers on this machine (loopback) may do this';
const notName = (name: string) => `the Host header must name this machine (localhost), not ${name}`;

it.each<[string, { peer?: string | undefined } & Headers, string]>([
  ['another machine', { peer: '192.168.1.7' }, ELSEWHERE],
  ['another machine that names us localhost', { peer: '10.0.0.1', host: 'localhost' }, ELSEWHERE],
  ['another machine, IPv4 in IPv6', { peer: '::ffff:192.168.1.7' }, ELSEWHERE],
  [
    'a Unix socket',
    { peer: undefined },
    'no token is configured, and over a Unix socket the caller may be a proxy for remote ones',
  ],
  [
    'a client of a proxy on this machine',
    { via: '1.1 proxy' },
    'no token is configured, and a proxy forwarded the request: its caller may be remote',
  ],
  ['a name that was rebound', { host: 'evil.example:10180' }, notName('evil.example:10180')],
  ['a name that begins with an address', { host: '127.0.0.1.nip.io' }, notName('127.0.0.1.nip.io')],
  ['a name that ends with localhost', { host: 'evil-localhost' }, notName('evil-localhost')],
  ['a name under localhost', { host: 'localhost.evil.example' }, notName('localhost.evil.example')],
  ['no Host', { host: undefined }, 'the Host header is missing'],
  ['an empty Host', { host: '' }, notName('')],
])('%s is not local', (_, given, reason) => {
  const { peer, ...headers } = { peer: LOOPBACK, host: 'localhost:10180', ...given };
  expect(notLocal(peer, headers)).toBe(reason);
});
