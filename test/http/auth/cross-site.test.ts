import { expect, it } from '@jest/globals';
import { isCrossSite, type Page } from '../../../src/http/auth/cross-site.ts';

const program: Page = { host: 'localhost:10180', origin: undefined, secFetchSite: undefined };

it.each<[string, Partial<Page>]>([
  ['a program', {}],
  ['a program without Host', { host: undefined }],
  ['our own page', { origin: 'http://localhost:10180', secFetchSite: 'same-origin' }],
  ['our own page behind TLS', { host: 'exporter.example', origin: 'https://exporter.example' }],
  [
    'our own page at the port of its scheme',
    { host: 'exporter.example:443', origin: 'https://exporter.example' },
  ],
  ['an address typed into a browser', { secFetchSite: 'none' }],
])('knows %s as no other site', (_, given) => {
  expect(isCrossSite({ ...program, ...given })).toBe(false);
});

it.each<[string, Partial<Page>]>([
  ['a page of another site', { origin: 'https://evil.example', secFetchSite: 'cross-site' }],
  ['a page of another site in an old browser', { origin: 'https://evil.example' }],
  ['a page of another port', { origin: 'http://localhost:3000', secFetchSite: 'same-site' }],
  ['a page of another port in an old browser', { origin: 'http://localhost:3000' }],
  [
    'a page of the port of another scheme',
    { host: 'exporter.example:443', origin: 'http://exporter.example' },
  ],
  ['a form without an origin', { secFetchSite: 'cross-site' }],
  ['a page of nowhere', { origin: 'null' }],
  ['an empty origin', { origin: '' }],
  ['garbage for an origin', { origin: '::' }],
  ['a file', { origin: 'file://' }],
  ['an origin, but no Host', { origin: 'http://localhost:10180', host: undefined }],
  ['something new of browsers', { secFetchSite: 'same-planet' }],
])('knows %s as another site', (_, given) => {
  expect(isCrossSite({ ...program, ...given })).toBe(true);
});
