import { readFileSync } from 'node:fs';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { ClientRule, WebTls } from '../../src/config/web-tls.ts';
import { serve } from '../../src/http/server.ts';
import { Secret } from '../../src/lib/secret.ts';
import { rawRequest, sendRaw } from '../support/raw-http.ts';

const pem = (name: string) =>
  readFileSync(join(import.meta.dirname, '..', 'fixtures', 'tls', `${name}.pem`), 'utf8');
const CA = pem('ca');

const NOBODY_ASKED: ClientRule = { asked: false, required: false, verified: false, names: undefined };

const aTls = (more: Partial<WebTls> = {}, name = 'server'): WebTls => ({
  cert: pem(name),
  key: new Secret(pem(`${name}-key`)),
  ca: undefined,
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  ciphers: undefined,
  ecdhCurve: undefined,
  honorCipherOrder: true,
  client: NOBODY_ASKED,
  ...more,
});

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** A server whose TLS may be changed as it runs. */
async function aServer(tls: WebTls) {
  const settings = { tls };
  let served = 0;
  const server = await serve(
    (_request, response) => {
      served += 1;
      response.end('hello');
    },
    { host: '127.0.0.1', port: 0 },
    { tls: () => settings.tls },
  );
  ends.push(server.close);
  return { settings, port: server.port, served: () => served };
}

interface Seen {
  text: string;
  serial: string;
  protocol: string | null;
}

/** Asks once on a connection of its own; rejects when there is no answer. */
function ask(port: number, options: RequestOptions & { session?: Buffer | undefined } = {}): Promise<Seen> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      { host: 'localhost', port, ca: CA, agent: false, family: 4, ...options },
      (response) => {
        const socket = response.socket as TLSSocket;
        const { serialNumber: serial } = socket.getPeerCertificate();
        const protocol = socket.getProtocol();
        response.setEncoding('utf8').on('data', (text) => resolve({ text, serial, protocol }));
      },
    );
    request.on('error', reject).end();
  });
}

const CLIENT = { cert: pem('client'), key: pem('client-key') };
const STRANGER = { cert: pem('stranger'), key: pem('stranger-key') };

describe('HTTPS', () => {
  it('is served, and plain HTTP on that port is not', async () => {
    const server = await aServer(aTls());
    expect(await ask(server.port)).toMatchObject({ text: 'hello', protocol: 'TLSv1.3' });
    expect((await sendRaw(server.port, rawRequest('GET /'), 1000)).status).toBeNaN();
    expect(server.served()).toBe(1);
  });

  it('uses only the configured versions and ciphers', async () => {
    const ciphers = 'TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256';
    const { port } = await aServer(aTls({ maxVersion: 'TLSv1.2', ciphers, ecdhCurve: 'secp384r1' }));
    expect((await ask(port)).protocol).toBe('TLSv1.2');
    await expect(ask(port, { minVersion: 'TLSv1.3' })).rejects.toThrow();
    await expect(ask(port, { ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' })).rejects.toThrow();
    await expect(ask(port, { ecdhCurve: 'X25519' })).rejects.toThrow();
  });

  it('takes a renewed certificate with the next connection, and breaks none', async () => {
    const { settings, port } = await aServer(aTls());
    const before = await ask(port);
    const kept = connect({ host: '127.0.0.1', port, ca: CA });
    await new Promise((resolve) => kept.once('secureConnect', resolve));
    settings.tls = aTls({}, 'renewed');
    const after = await ask(port);
    expect(after.text).toBe('hello');
    expect(after.serial).not.toBe(before.serial);
    kept.write(rawRequest('GET /'));
    const text = await new Promise<string>((resolve) => kept.once('data', (part) => resolve(String(part))));
    expect(text).toMatch(/^HTTP\/1\.1 200/);
    kept.destroy();
  });
});

describe("a client's certificate", () => {
  const rule = (asked: boolean, required: boolean, verified: boolean, names?: string[]): Partial<WebTls> => ({
    ca: verified ? CA : undefined,
    client: { asked, required, verified, names },
  });

  it.each<[string, Partial<WebTls>, [boolean, boolean, boolean]]>([
    ['NoClientCert', rule(false, false, false), [true, true, true]],
    ['RequestClientCert', rule(true, false, false), [true, true, true]],
    ['RequireAnyClientCert', rule(true, true, false), [false, true, true]],
    ['VerifyClientCertIfGiven', rule(true, false, true), [true, false, true]],
    ['RequireAndVerifyClientCert', rule(true, true, true), [false, false, true]],
    ['one of these names', rule(true, true, true, ['spiffe://example.org/prometheus']), [false, false, true]],
    ['one of other names', rule(true, true, true, ['grafana']), [false, false, false]],
  ])(
    'with %s admits no certificate, a foreign one, one of a configured authority: %s',
    async (_, tls, admitted) => {
      const server = await aServer(aTls(tls));
      for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
        const before = server.served();
        const answers = [{}, STRANGER, CLIENT].map((options) =>
          ask(server.port, { ...options, maxVersion }).then(
            () => true,
            () => false,
          ),
        );
        expect(await Promise.all(answers)).toEqual(admitted);
        // No request of those who are not let in was as much as read.
        expect(server.served() - before).toBe(admitted.filter(Boolean).length);
      }
    },
  );

  it('is requested or not as the file changes', async () => {
    const { settings, port } = await aServer(aTls());
    expect((await ask(port)).text).toBe('hello');
    settings.tls = aTls(rule(true, true, true));
    await expect(ask(port)).rejects.toThrow();
    await expect(ask(port, STRANGER)).rejects.toThrow();
    expect((await ask(port, CLIENT)).text).toBe('hello');
    settings.tls = aTls();
    expect((await ask(port)).text).toBe('hello');
  });

  it('is checked by the current rules, also when a client resumes a session', async () => {
    const { settings, port } = await aServer(aTls(rule(true, true, true)));
    const sessions: Buffer[] = [];
    const socket = connect({ host: '127.0.0.1', port, ca: CA, ...CLIENT });
    socket.on('session', (session) => sessions.push(session));
    socket.write(rawRequest('GET /'));
    await new Promise((resolve) => socket.resume().once('close', resolve));
    expect(sessions.length).toBeGreaterThan(0);
    const session = sessions.at(-1);
    expect((await ask(port, { ...CLIENT, session })).text).toBe('hello');
    settings.tls = aTls(rule(true, true, true, ['grafana']));
    await expect(ask(port, { ...CLIENT, session })).rejects.toThrow();
    settings.tls = aTls({ ...rule(true, true, true), ca: pem('stranger') });
    await expect(ask(port, { ...CLIENT, session })).rejects.toThrow();
    expect((await ask(port, STRANGER)).text).toBe('hello');
  });
});
