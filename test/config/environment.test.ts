import { expect, it } from '@jest/globals';
import { unknownVariables } from '../../src/config/environment.ts';
import { loadConfig } from '../../src/config/load.ts';
import { CONFIG_OPTIONS } from '../../src/config/schema.ts';

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
