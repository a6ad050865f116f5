import { describe, expect, it } from '@jest/globals';
import { ownUrl, portOf } from '../../../src/backends/llama-swap/own-port.ts';

const HERE = { url: 'http://localhost:8080' };
const ELSEWHERE = { url: 'http://gpu-box:8080' };

describe("a model's own process", () => {
  it.each<[string, string, Parameters<typeof ownUrl>[1]]>([
    ['on loopback of this machine', 'http://localhost:5800', HERE],
    ['on loopback of this machine by number', 'http://127.0.0.1:5800', { url: 'http://[::1]:8080/swap' }],
    ['on IPv6 loopback', 'http://[::1]:5800', { url: 'http://127.0.0.2:8080' }],
    ['behind a Unix socket', 'http://localhost:5800', { url: 'unix:/run/llama-swap.sock' }],
    ['on a machine that is configured as this one', 'http://localhost:5800', { ...ELSEWHERE, local: 'yes' }],
    ['on another host', 'http://gpu-box:5800', ELSEWHERE],
    ['in another container', 'http://llama:5800/base', { ...HERE, local: 'no' }],
  ])('%s is asked', (_, proxy, place) => {
    expect(ownUrl(proxy, place)).toEqual({ ok: true, value: proxy });
  });

  it.each<[string, string, Parameters<typeof ownUrl>[1]]>([
    ['another machine', 'http://localhost:5800', ELSEWHERE],
    ['another machine by number', 'http://127.0.0.1:5800', { url: 'http://10.0.0.7:8080' }],
    ['another container on this port', 'http://[::1]:5800', { ...HERE, local: 'no' }],
    ['any address of another machine', 'http://0.0.0.0:5800', ELSEWHERE],
  ])('on loopback of %s is not: another program could listen there', (_, proxy, place) => {
    expect(ownUrl(proxy, place)).toEqual({
      ok: false,
      fault: `it listens on ${new URL(proxy).hostname} of the machine of the llama-swap, which is not this one`,
    });
  });

  it.each([undefined, '', 'unix:/tmp/a.sock', 'http://', 'ftp://a/'])('at %j is not asked', (proxy) => {
    expect(ownUrl(proxy, HERE)).toEqual({
      ok: false,
      fault: 'llama-swap does not list a URL of its process',
    });
  });

  it.each<[string | undefined, number | undefined]>([
    ['http://localhost:5800', 5800],
    ['http://llama/base', 80],
    ['https://llama', 443],
    ['', undefined],
    [undefined, undefined],
  ])('at %s has port %s', (proxy, port) => {
    expect(portOf(proxy)).toBe(port);
  });
});
