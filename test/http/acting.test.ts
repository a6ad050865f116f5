import { expect, it } from '@jest/globals';
import { type Origin, refusal } from '../../src/http/acting.ts';

const local: Origin = {
  peer: '127.0.0.1',
  host: 'localhost:10180',
  origin: undefined,
  secFetchSite: undefined,
  forwarded: false,
};

it.each<[string, Partial<Origin>]>([
  ['curl on this machine', {}],
  ['IPv6', { peer: '::1', host: '[::1]:10180' }],
  ['IPv4 in IPv6', { peer: '::ffff:127.0.0.1', host: '127.0.0.1:10180' }],
  ['another loopback address', { peer: '127.8.8.8', host: '127.8.8.8' }],
  ['a host name in capitals', { host: 'LOCALHOST:10180' }],
  ['our own page', { origin: 'http://localhost:10180', secFetchSite: 'same-origin' }],
  ['an address typed into a browser', { secFetchSite: 'none' }],
])('lets %s act', (_, given) => {
  expect(refusal({ ...local, ...given })).toBeUndefined();
});

const NOT_LOOPBACK = 'only callers on this machine (loopback) may do this';
const OTHER_SITE = 'pages of other sites may not do this';

it.each<[string, Partial<Origin>, string]>([
  ['another machine', { peer: '192.168.1.7' }, NOT_LOOPBACK],
  ['another machine that names us localhost', { peer: '10.0.0.1', host: 'localhost' }, NOT_LOOPBACK],
  ['another machine over IPv6', { peer: 'fe80::1' }, NOT_LOOPBACK],
  ['another machine, IPv4 in IPv6', { peer: '::ffff:192.168.1.7' }, NOT_LOOPBACK],
  ['an address that only begins alike', { peer: '127.0.0.1.example' }, NOT_LOOPBACK],
  ['nobody', { peer: undefined }, NOT_LOOPBACK],
  [
    'somebody behind a proxy on this machine',
    { forwarded: true },
    'a proxy sent it for somebody else, who may be anywhere',
  ],
  [
    'a name that was rebound to this machine',
    { host: 'evil.example:10180' },
    'the Host header must name this machine (localhost), not evil.example:10180',
  ],
  [
    'a name that only begins with an address',
    { host: '127.0.0.1.nip.io' },
    'the Host header must name this machine (localhost), not 127.0.0.1.nip.io',
  ],
  [
    'a name that only ends with localhost',
    { host: 'evil-localhost' },
    'the Host header must name this machine (localhost), not evil-localhost',
  ],
  [
    'a name under localhost',
    { host: 'localhost.evil.example' },
    'the Host header must name this machine (localhost), not localhost.evil.example',
  ],
  ['no Host', { host: undefined }, 'the Host header must name this machine (localhost), not nothing'],
  ['an empty Host', { host: '' }, 'the Host header must name this machine (localhost), not '],
  ['a page of another site', { origin: 'https://evil.example', secFetchSite: 'cross-site' }, OTHER_SITE],
  ['a page of another site in an old browser', { origin: 'https://evil.example' }, OTHER_SITE],
  ['a page of another port', { origin: 'http://localhost:3000', secFetchSite: 'same-site' }, OTHER_SITE],
  ['a page of another port in an old browser', { origin: 'http://localhost:3000' }, OTHER_SITE],
  ['a form without an origin', { secFetchSite: 'cross-site' }, OTHER_SITE],
  ['a page of nowhere', { origin: 'null' }, OTHER_SITE],
  ['garbage for an origin', { origin: '::' }, OTHER_SITE],
  ['something new of browsers', { secFetchSite: 'same-planet' }, OTHER_SITE],
])('refuses %s', (_, given, reason) => {
  expect(refusal({ ...local, ...given })).toBe(reason);
});
