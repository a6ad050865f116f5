import { expect, it } from '@jest/globals';
import { mediaTypeFault, parseJsonObject } from '../../src/http/json.ts';

const parse = (text: string) => parseJsonObject(Buffer.from(text));
const nested = (levels: number) => `{"a":${'['.repeat(levels)}${']'.repeat(levels)}}`;

it.each<[string, unknown]>([
  ['{}', {}],
  [' {"models": ["a", "b"], "dry_run": true}\n', { models: ['a', 'b'], dry_run: true }],
  ['\ufeff{"a":1}', { a: 1 }],
  ['{"a":"\\"[[[{{{\\\\"}', { a: '"[[[{{{\\' }],
  ['{"constructor":{"prototype":{"x":1}}}', { constructor: { prototype: { x: 1 } } }],
])('reads %s', (text, value) => {
  expect(parse(text)).toEqual({ value });
});

it.each<[string, string]>([
  ['', 'it is no valid JSON'],
  ['{', 'it is no valid JSON'],
  ['{"a":1}{', 'it is no valid JSON'],
  ["{'a':1}", 'it is no valid JSON'],
  ['dry_run=true', 'it is no valid JSON'],
  ['[]', 'it is no JSON object'],
  ['null', 'it is no JSON object'],
  ['"{}"', 'it is no JSON object'],
  ['7', 'it is no JSON object'],
  [nested(32), 'it is nested deeper than 32 levels'],
])('does not take %s', (text, wrong) => {
  expect(parse(text)).toEqual({ wrong });
});

it('takes no other encoding, and is slowed down by nothing', () => {
  expect(parseJsonObject(Buffer.from([0x7b, 0xff, 0x7d]))).toEqual({ wrong: 'it is not UTF-8' });
  expect(parseJsonObject(Buffer.from('{}', 'utf16le'))).toEqual({ wrong: 'it is no valid JSON' });
  expect(parse(nested(500_000))).toEqual({ wrong: 'it is nested deeper than 32 levels' });
  expect(parse('"\\'.repeat(500_000))).toEqual({ wrong: 'it is no valid JSON' });
});

it('lets no key change a prototype', () => {
  const { value } = parse('{"__proto__":{"polluted":true},"a":{"__proto__":[]}}') as { value: object };
  expect(value).toEqual({ a: {} });
  expect(Object.getOwnPropertyNames(value)).toEqual(['a']);
  expect(Object.assign({}, value)).not.toHaveProperty('polluted');
});

it.each(['_', 'p', 'r', 'o', 't'])('nor one that is written with an escape for %s', (letter) => {
  const code = letter.charCodeAt(0).toString(16);
  for (const digits of [code, code.toUpperCase()]) {
    const key = '__proto__'.replace(letter, `\\u00${digits}`);
    expect(parse(`{"a":1,"${key}":{"polluted":true}}`)).toEqual({ value: { a: 1 } });
  }
});

it.each<[string | undefined, string | undefined]>([
  ['application/json', undefined],
  ['Application/JSON', undefined],
  ['application/json; charset=utf-8', undefined],
  ['application/json;charset="UTF-8"', undefined],
  ['application/json;', undefined],
  [undefined, 'Content-Type is missing: send application/json'],
  ['', 'Content-Type is : send application/json'],
  ['text/plain', 'Content-Type is text/plain: send application/json'],
  ['text/plain; application/json', 'Content-Type is text/plain: send application/json'],
  ['application/json, text/plain', 'Content-Type is application/json, text/plain: send application/json'],
  ['application/jsonp', 'Content-Type is application/jsonp: send application/json'],
  [
    'application/x-www-form-urlencoded',
    'Content-Type is application/x-www-form-urlencoded: send application/json',
  ],
  ['application/json; charset=utf-16', 'Content-Type says charset=utf-16: send UTF-8'],
  ['application/json; charset=latin1', 'Content-Type says charset=latin1: send UTF-8'],
])('of the type %s says %s', (type, fault) => {
  const headers = type === undefined ? {} : { 'content-type': type };
  expect(mediaTypeFault(headers)).toBe(fault);
});

it.each<[string, string | undefined]>([
  ['identity', undefined],
  ['gzip', 'Content-Encoding is gzip: send the body as it is'],
])('packed as %s says %s', (encoding, fault) => {
  expect(mediaTypeFault({ 'content-type': 'application/json', 'content-encoding': encoding })).toBe(fault);
});
