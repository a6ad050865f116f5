import { describe, expect, it } from '@jest/globals';
import {
  nameOfUrl,
  parseListenAddresses,
  parseRouterUrl,
  parseTelemetryPath,
} from '../../src/config/address.ts';
import {
  parseChoice,
  parseCount,
  parseList,
  parseSeconds,
  parseText,
  parseToggle,
} from '../../src/config/values.ts';
import { failed, ok } from '../../src/lib/result.ts';

const ADDRESS =
  "is not a host and port: write it like 'localhost:10180', '[::1]:10180', ':10180' or 'unix:/run/exporter.sock'";
const SOCKET = 'write it like unix:/run/llama.sock, with a base path like unix:/run/llama.sock:/llama';
const PATH = 'is not a path like /metrics: use letters, digits and . _ ~ - after single slashes';

describe('a listen address', () => {
  it.each([
    [':10180', { port: 10180 }],
    [':0', { port: 0 }],
    ['localhost:80', { host: 'localhost', port: 80 }],
    ['127.0.0.1:80', { host: '127.0.0.1', port: 80 }],
    ['[::1]:10180', { host: '::1', port: 10180 }],
    ['[fe80::1%eth0]:80', { host: 'fe80::1%eth0', port: 80 }],
    ['unix:/run/exporter.sock', { path: '/run/exporter.sock' }],
    ['/run/exporter.sock', { path: '/run/exporter.sock' }],
  ])('%j is %j', (text, value) => expect(parseListenAddresses(text)).toEqual(ok([value])));

  it.each([[':10180, unix:/run/x.sock'], [[':10180', 'unix:/run/x.sock']]])('%j are two', (value) =>
    expect(parseListenAddresses(value)).toEqual(ok([{ port: 10180 }, { path: '/run/x.sock' }])),
  );

  it.each([
    [[], "is empty: write it like ':10180'"],
    ['', "is empty: write it like ':10180'"],
    [':80,:80', "has ':80' twice: remove one"],
    [['unix:/x', 'unix:///x'], "has 'unix:/x' twice: remove one"],
    [
      'unix:/run/x.sock:/llama',
      "'unix:/run/x.sock:/llama' has a base path, which a socket to listen on cannot have",
    ],
    ['unix:x.sock', expect.stringMatching(/^'unix:x\.sock' must be an absolute path/)],
  ])('%j is refused', (value, fault) => expect(parseListenAddresses(value)).toEqual(failed(fault)));

  it.each([
    10180,
    '10180',
    'localhost',
    'localhost:http',
    ':65536',
    '::1:80',
    '[localhost]:80',
    'local host:80',
    'http://me:sk-1@a:80',
  ])('%j is refused', (text) => expect(parseListenAddresses(text)).toEqual(failed(ADDRESS)));
});

describe('a router URL', () => {
  it.each([
    ['http://localhost:8080', 'http://localhost:8080'],
    [' HTTP://GPU-Box:80/ ', 'http://gpu-box'],
    ['https://a.example/llama//', 'https://a.example/llama'],
    ['https://a.example/v1/llama', 'https://a.example/v1/llama'],
    ['unix:/run/llama.sock', 'unix:/run/llama.sock'],
    ['unix:///run/llama.sock', 'unix:/run/llama.sock'],
    ['UNIX:/run//x/../llama', 'unix:/run/llama'],
    ['/run/llama@gpu0.sock', 'unix:/run/llama@gpu0.sock'],
    ['/run/My Box/llama.socket', 'unix:/run/My Box/llama.socket'],
    ['unix:/run/llama.sock:/llama/', 'unix:/run/llama.sock:/llama'],
    ['unix:/run/llama.sock:/', 'unix:/run/llama.sock'],
    ['/run/llama.sock:/llama', 'unix:/run/llama.sock:/llama'],
  ])('%j is %j', (text, value) => expect(parseRouterUrl(text)).toEqual(ok(value)));

  it.each([
    ['localhost:8080', "'localhost:8080' must start with http:// or https://: write 'http://localhost:8080'"],
    ['me:sk-1@a', 'the URL must start with http:// or https://'],
    ['http://me@a', 'the URL contains credentials: remove them and set username and password_file'],
    ['http://a?', 'the URL has a query or fragment: end it before the ? or #'],
    ['http://a#b', 'the URL has a query or fragment: end it before the ? or #'],
    ['http://a b@c d', 'the URL is not a URL: write it like http://localhost:8080'],
    ['http://', "'http://' is not a URL: write it like http://localhost:8080"],
    ['unix:me:sk-1@a', "'unix:me:sk-1@a' is not a Unix socket: SOCKET"],
    ['http://unix:sk-1@a', 'the URL contains credentials: remove them and set username and password_file'],
    ['me:sk-1@a.sock', 'the URL must start with http:// or https://'],
    ['/run/llama', "'/run/llama' must start with http:// or https://, or with unix: if it is a socket"],
    ['llama.sock', "'llama.sock' must be an absolute path: SOCKET"],
    ['./run/llama.sock', "'./run/llama.sock' must be an absolute path: SOCKET"],
    ['~/llama.sock', "'~/llama.sock' must be an absolute path: SOCKET"],
    ['unix:llama.sock', "'unix:llama.sock' must be an absolute path: SOCKET"],
    ['unix://run/llama.sock', "'unix://run/llama.sock' is not a Unix socket: SOCKET"],
    ['unix:@llama', "'unix:@llama' is not a Unix socket: SOCKET"],
    ['unix:/run/', "'unix:/run/' is not a Unix socket: SOCKET"],
    ['unix:/run/llama.sock:llama', "'unix:/run/llama.sock:llama' is not a Unix socket: SOCKET"],
    ['unix:', "'unix:' is not a Unix socket: SOCKET"],
    ['http+unix://%2Frun%2Fllama.sock', "'http+unix://%2Frun%2Fllama.sock' is not a Unix socket: SOCKET"],
    ['http://unix:/run/llama.sock', "'http://unix:/run/llama.sock' is not a Unix socket: SOCKET"],
    ['C:\\llama.sock', "'C:\\llama.sock' is not a Unix socket: SOCKET"],
    [`/${'x'.repeat(103)}.sock`, 'the path of the socket has more than 107 bytes: choose a shorter one'],
    [
      'unix:/run/llama.sock:/v1',
      "'unix:/run/llama.sock:/v1' is the address for OpenAI clients: write 'unix:/run/llama.sock'",
    ],
    [
      'http://a/v1/chat/completions',
      "'http://a/v1/chat/completions' is the address for OpenAI clients: write 'http://a'",
    ],
    ['http://a/llama/v1/', "'http://a/llama/v1/' is the address for OpenAI clients: write 'http://a/llama'"],
  ])('%j is refused', (text, wrong) =>
    expect(parseRouterUrl(text)).toEqual(failed(wrong.replace('SOCKET', SOCKET))),
  );

  it('has a host and a port, or the path of a socket, which name the router', () => {
    expect(
      ['http://a', 'https://a/llama', 'http://[::1]:8080', 'unix:/run/llama.sock:/llama'].map(nameOfUrl),
    ).toEqual(['a:80', 'a:443', '[::1]:8080', '/run/llama.sock']);
  });
});

describe('a telemetry path', () => {
  it.each(['/metrics', '/llama/metrics', '/a.b-c_d~e', '/apis', '/-metrics'])('%j is valid', (value) =>
    expect(parseTelemetryPath(value)).toEqual(ok(value)),
  );

  it.each([
    ['metrics', `'metrics' ${PATH}`],
    ['', `'' ${PATH}`],
    ['/', "'/' is the path of another route: write it like /metrics"],
    ['/-/healthy', "'/-/healthy' is the path of another route: write it like /metrics"],
    ['/api', "'/api' is the path of another route: write it like /metrics"],
    ['/api/v1/models', "'/api/v1/models' is the path of another route: write it like /metrics"],
    ['/unload-all', "'/unload-all' is the path of another route: write it like /metrics"],
    ['/metrics/', `'/metrics/' ${PATH}`],
    ['/metrics?x', `'/metrics?x' ${PATH}`],
    ['/:metrics', `'/:metrics' ${PATH}`],
    ['/a/../-/healthy', `'/a/../-/healthy' ${PATH}`],
  ])('%j is refused', (text, wrong) => expect(parseTelemetryPath(text)).toEqual(failed(wrong)));
});

describe('a duration', () => {
  it.each([
    ['30s', 30],
    ['1h30m', 5400],
    [' 500ms ', 0.5],
    [2, 2],
    ['2.5', 2.5],
  ])('%j is %d seconds', (text, value) => expect(parseSeconds(text, '1ms')).toEqual(ok(value)));

  it.each([
    ['soon', "'soon' is not a duration: write it like 30s, 1h30m or 500ms"],
    [true, 'true is not a duration: write it like 30s, 1h30m or 500ms'],
    [Number.POSITIVE_INFINITY, 'Infinity is not a duration: write it like 30s, 1h30m or 500ms'],
    [['30s'], 'a list is not a duration: write it like 30s, 1h30m or 500ms'],
    [0, '0 is too short: at least 1s'],
    [-5, '-5 is too short: at least 1s'],
    ['999ms', "'999ms' is too short: at least 1s"],
    ['25d', "'25d' is too long: at most 24d"],
  ])('%j is refused', (text, wrong) => expect(parseSeconds(text, '1s')).toEqual(failed(wrong)));
});

it('choices, booleans, numbers and lists are read as YAML values and as text', () => {
  expect(parseText('a')).toEqual(ok('a'));
  expect(parseText(true)).toEqual(failed('must be text, not a boolean: put it in quotes'));
  expect(parseText([])).toEqual(failed('must be text, not a list'));
  expect(parseText({})).toEqual(failed('must be text, not a mapping'));
  expect(parseChoice('b', ['a', 'b'])).toEqual(ok('b'));
  expect(parseChoice(undefined, ['a', 'b'])).toEqual(failed('nothing is not one of a, b'));
  expect([true, 'true', false, 'false'].map(parseToggle)).toEqual(
    [true, true, false, false].map((value) => ok(value)),
  );
  expect(parseToggle('yes')).toEqual(failed("'yes' is neither true nor false"));
  expect([3, '3', ' 3 '].map((count) => parseCount(count, 1, 5))).toEqual([ok(3), ok(3), ok(3)]);
  expect(parseCount('-1', 0, 5)).toEqual(failed('-1 is too small: at least 0'));
  expect(parseCount(6, 0, 5)).toEqual(failed('6 is too large: at most 5'));
  expect(parseCount(1.5, 0, 5)).toEqual(failed('1.5 is not a whole number'));
  expect(parseList('a, b,', ok)).toEqual(ok(['a', 'b']));
  expect(parseList(['a'], ok)).toEqual(ok(['a']));
  expect(parseList([1], ok)).toEqual(failed('must be a list of texts'));
});
