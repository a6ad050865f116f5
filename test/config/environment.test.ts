import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { unknownVariables } from '../../src/config/environment.ts';
import { loadConfig } from '../../src/config/load.ts';
import { CONFIG_OPTIONS } from '../../src/config/schema.ts';
import { scratchFolder } from '../support/scratch-folder.ts';

const messagesOf = (env: Record<string, string>) =>
  unknownVariables(env, CONFIG_OPTIONS).map(({ source, message }) => `${source}: ${message}`);

it('suggests the variable that was meant', () => {
  expect(messagesOf({ LLAMA_ROUTER_EXPORTER_FOLOW_LISTING_INTERVAL: '1s' })).toEqual([
    "LLAMA_ROUTER_EXPORTER_FOLOW_LISTING_INTERVAL: unknown variable: did you mean 'LLAMA_ROUTER_EXPORTER_FOLLOW_LISTING_INTERVAL'?",
  ]);
  expect(messagesOf({ LLAMA_ROUTER_EXPORTER_ROUTERS: 'http://a' })).toEqual([
    'LLAMA_ROUTER_EXPORTER_ROUTERS: unknown variable: routers are set with LLAMA_SERVER_URL, other variables are listed in docs/configuration.md',
  ]);
});

describe('variables that say how to reach routers', () => {
  const CA = join(import.meta.dirname, '..', 'fixtures', 'tls', 'ca.pem');
  const ENV = {
    LLAMA_API_KEY: 'key',
    LLAMA_SERVER_USERNAME: 'me',
    LLAMA_SERVER_PASSWORD: 'word',
    LLAMA_SERVER_CA_FILE: CA,
    LLAMA_SERVER_HOST_HEADER: 'llama',
  };
  const ofAll = { api_key: 'key', username: 'me', password: 'word', host_header: 'llama' };
  const shown = (text: string, env: Record<string, string> = ENV) => {
    const file = join(scratchFolder(), 'config.yml');
    writeFileSync(file, text);
    const { routers, discovery } = loadConfig({ file, env, flags: {} });
    return [...routers, ...discovery].map(({ api_key, username, password, ca_file, host_header }) => {
      return { api_key: api_key?.reveal(), username, password: password?.reveal(), ca_file, host_header };
    });
  };

  it('apply to every router and group; the CA only to https', () => {
    expect(shown('routers: [{ url: http://a }, { url: https://b }, { url: unix:/c.sock }]')).toEqual([
      ofAll,
      { ...ofAll, ca_file: CA },
      ofAll,
    ]);
    expect(shown('discovery: [{ name: lab, files: [x] }]')).toEqual([{ ...ofAll, ca_file: CA }]);
    expect(shown('')).toEqual([ofAll]);
  });

  it('give way to the options of a router, where a user has a password of its own', () => {
    const own = 'username: you, password: other, host_header: b';
    expect(shown(`routers: [{ url: http://a, ${own} }]`)).toEqual([
      { api_key: 'key', username: 'you', password: 'other', ca_file: undefined, host_header: 'b' },
    ]);
    expect(() => shown('routers: [{ url: http://a, username: you }]')).toThrow(
      /config.yml:1: routers\[0\].username: has no password: add password_file$/,
    );
  });

  it.each([
    [{ LLAMA_SERVER_USERNAME: 'me' }, 'LLAMA_SERVER_USERNAME: has no password: add password_file'],
    [{ LLAMA_SERVER_PASSWORD: 'word' }, 'LLAMA_SERVER_PASSWORD: has no username: add it'],
    [{ LLAMA_SERVER_CA_FILE: '/no.pem' }, 'LLAMA_SERVER_CA_FILE: /no.pem does not exist: check the path'],
    [
      { LLAMA_SERVER_HOST_HEADER: 'http://a' },
      "LLAMA_SERVER_HOST_HEADER: 'http://a' is not a host or host:port: write it like llama.example or localhost:8080",
    ],
    [
      { LLAMA_SERVER_URL: 'http://me:word@a' },
      'LLAMA_SERVER_URL: routers[0].url: the URL contains credentials: remove them and set username and password_file',
    ],
  ])('are refused by name: %j', (env, message) => {
    expect(() => shown('', env)).toThrow(message);
  });
});

it('ignores variables of other programs', () => {
  expect(messagesOf({ PATH: '/bin', LLAMA_CACHE: '/models', LLAMA_ARG_PORT: '8080' })).toEqual([]);
});

it('ignores the variables that Kubernetes sets for a service named llama-router-exporter', () => {
  const links = {
    LLAMA_ROUTER_EXPORTER_SERVICE_HOST: '10.0.0.1',
    LLAMA_ROUTER_EXPORTER_SERVICE_PORT: '10180',
    LLAMA_ROUTER_EXPORTER_SERVICE_PORT_HTTP: '10180',
    LLAMA_ROUTER_EXPORTER_PORT: 'tcp://10.0.0.1:10180',
    LLAMA_ROUTER_EXPORTER_PORT_10180_TCP: 'tcp://10.0.0.1:10180',
    LLAMA_ROUTER_EXPORTER_PORT_10180_TCP_PROTO: 'tcp',
    LLAMA_ROUTER_EXPORTER_PORT_10180_TCP_PORT: '10180',
    LLAMA_ROUTER_EXPORTER_PORT_10180_TCP_ADDR: '10.0.0.1',
    LLAMA_ROUTER_EXPORTER_INTERNAL_SERVICE_HOST: '10.0.0.2',
  };
  expect(messagesOf(links)).toEqual([]);
  expect(() => loadConfig({ env: links, flags: {} })).not.toThrow();
  expect(messagesOf({ LLAMA_ROUTER_EXPORTER_PORT: '9090' })).toHaveLength(1);
});
