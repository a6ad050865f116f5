import { expect, it } from '@jest/globals';
import type { ClientRule } from '../../src/config/web-tls.ts';
import { admits, type ClientCertificate } from '../../src/http/secure-server.ts';

const rule = (asked: boolean, required: boolean, verified: boolean, names?: string[]): ClientRule => ({
  asked,
  required,
  verified,
  names,
});
const OURS: ClientCertificate = { names: 'DNS:prometheus', verified: true };
const STRANGER: ClientCertificate = { names: 'DNS:prometheus', verified: false };

it.each<[string, ClientRule, [boolean, boolean, boolean]]>([
  ['NoClientCert', rule(false, false, false), [true, true, true]],
  ['RequestClientCert', rule(true, false, false), [true, true, true]],
  ['RequireAnyClientCert', rule(true, true, false), [false, true, true]],
  ['VerifyClientCertIfGiven', rule(true, false, true), [true, false, true]],
  ['RequireAndVerifyClientCert', rule(true, true, true), [false, false, true]],
  ['one of other names', rule(true, true, true, ['grafana']), [false, false, false]],
  ['one of any authority with that name', rule(true, true, false, ['prometheus']), [false, true, true]],
])('%s admits no certificate, a foreign one, one of a configured authority: %s', (_, given, admitted) => {
  expect([undefined, STRANGER, OURS].map((certificate) => admits(given, certificate))).toEqual(admitted);
});

const ALL =
  'DNS:prometheus, IP Address:10.0.0.7, IP Address:FD00:0:0:0:0:0:0:7, email:ops@example.org, URI:spiffe://a/b';

it.each<[string, string | undefined, boolean]>([
  ['prometheus', ALL, true],
  ['10.0.0.7', ALL, true],
  ['fd00::7', ALL, true],
  ['FD00::0007', ALL, true],
  ['ops@example.org', ALL, true],
  ['spiffe://a/b', ALL, true],
  ['Prometheus', ALL, false],
  ['prom', ALL, false],
  ['10.0.0', ALL, false],
  ['DNS:prometheus', ALL, false],
  ['', ALL, false],
  ['prometheus', '', false],
  ['prometheus', undefined, false],
  // Node quotes a name that holds a comma: what stands in it is no name of its own.
  ['prometheus', 'URI:"http://evil/, DNS:prometheus"', false],
  ['prometheus', 'URI:"http://evil/, DNS:prometheus, DNS:b"', false],
  // Not as Node writes it: it does not count.
  ['prometheus', 'DNS:prometheus,DNS:other', false],
  // Other kinds of names are none of these.
  ['prometheus', 'Registered ID:1.2.3, DirName:"CN = prometheus", othername:prometheus', false],
])('looks for %s in %s: %s', (name, names, admitted) => {
  expect(admits(rule(true, true, false, [name]), { names, verified: false })).toBe(admitted);
});
