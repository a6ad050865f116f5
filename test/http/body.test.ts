import { expect, it } from '@jest/globals';
import { mediaTypeFault, parseJsonObject } from '../../src/http/body.ts';
import { ProblemError } from '../../src/http/problem.ts';

const parse = (text: string) => parseJsonObject(Buffer.from(text));

function faultOf(bytes: Buffer): string | undefined {
  try {
    parseJsonObject(bytes);
    return undefined;
  } catch (error) {
    return error instanceof ProblemError ? error.problem.detail : String(error);
  }
}

it.each<[string, unknown]>([
  ['{}', {}],
  [' {"models": ["a", "b"], "dry_run": true}\n', { models: ['a', 'b'], dry_run: true }],
  ['\ufeff{"a":1}', { a: 1 }],
  ['{"a":"\\"[[[{{{\\\\"}', { a: '"[[[{{{\\' }],
  ['{"constructor":{"prototype":{"x":1}}}', { constructor: { prototype: { x: 1 } } }],
])('reads %s', (text, value) => {
  expect(parse(text)).toEqual(value);
});

it.each<[string, string]>([
  ['', 'not valid JSON'],
  ['{', 'not valid JSON'],
  ['{"a":1}{', 'not valid JSON'],
  ["{'a':1}", 'not valid JSON'],
  ['dry_run=true', 'not valid JSON'],
  ['[]', 'not a JSON object'],
  ['null', 'not a JSON object'],
  ['"{}"', 'not a JSON object'],
  ['7', 'not a JSON object'],
])('refuses %s', (text, why) => {
  expect(faultOf(Buffer.from(text))).toBe(`The body is ${why}.`);
});

it('refuses other encodings, and is not slowed down by brackets or backslashes', () => {
  expect(faultOf(Buffer.from([0x7b, 0xff, 0x7d]))).toBe('The body is not UTF-8.');
  expect(faultOf(Buffer.from('{}', 'utf16le'))).toBe('The body is not valid JSON.');
  const deep = `{"__proto__":${'['.repeat(500_000)}${']'.repeat(500_000)}}`;
  expect(faultOf(Buffer.from(deep))).toBe('The body is not valid JSON.');
  expect(faultOf(Buffer.from('"\\'.repeat(500_000)))).toBe('The body is not valid JSON.');
});

it('lets no key change a prototype', () => {
  const value = parse('{"__proto__":{"polluted":true},"a":{"__proto__":[]}}');
  expect(value).toEqual({ a: {} });
  expect(Object.getOwnPropertyNames(value)).toEqual(['a']);
  expect(Object.assign({}, value)).not.toHaveProperty('polluted');
});

it.each(['_', 'p', 'r', 'o', 't'])('nor one that is written with an escape for %s', (letter) => {
  const code = letter.charCodeAt(0).toString(16);
  for (const digits of [code, code.toUpperCase()]) {
    const key = '__proto__'.replace(letter, `\\u00${digits}`);
    expect(parse(`{"a":1,"${key}":{"polluted":true}}`)).toEqual({ a: 1 });
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
  ['application/json; charset=utf-16', 'Content-Type has charset=utf-16: send UTF-8'],
  ['application/json; charset=latin1', 'Content-Type has charset=latin1: send UTF-8'],
])('of the type %s says %s', (type, fault) => {
  const headers = type === undefined ? {} : { 'content-type': type };
  expect(mediaTypeFault(headers)).toBe(fault);
});

it.each<[string, string | undefined]>([
  ['identity', undefined],
  ['gzip', 'Content-Encoding is gzip: send the body uncompressed'],
])('packed as %s says %s', (encoding, fault) => {
  expect(mediaTypeFault({ 'content-type': 'application/json', 'content-encoding': encoding })).toBe(fault);
});
