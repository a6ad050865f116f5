import { copyFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, it } from '@jest/globals';
import { createWebSource, type WebConfig } from '../../src/config/web-config.ts';
import { scratchFolder } from '../support/scratch-folder.ts';

const TLS = join(import.meta.dirname, '..', 'fixtures', 'tls');
const HASH = '$2y$10$abcdefghijklmnopqrstuuqflPDzB6gcMhKa1rZqKiun2YGL5sa2u';

let folder: string;
let file: string;
let now: number;
/** The problems after each change; undefined: none. */
let reports: (string | undefined)[];

beforeEach(() => {
  folder = scratchFolder();
  file = join(folder, 'web.yml');
  now = 0;
  reports = [];
});

const usersOf = (source: { current(): WebConfig }) => [...source.current().users.keys()];
const writeUsers = (...names: string[]) =>
  writeFileSync(file, `basic_auth_users:\n${names.map((name) => `  ${name}: ${HASH}\n`).join('')}`);
const writePair = (name: string) => {
  copyFileSync(join(TLS, `${name}.pem`), join(folder, 'cert.pem'));
  copyFileSync(join(TLS, `${name}-key.pem`), join(folder, 'key.pem'));
};
const start = () =>
  createWebSource(file, {
    now: () => now,
    onReload: (fault) => reports.push(fault?.message.replaceAll(`${folder}/`, '')),
  });
const later = () => {
  now += 1000;
};

it('does not start with a file that has a problem', () => {
  writeFileSync(file, 'users: {}\n');
  expect(start).toThrow(`${file}:1: users: unknown key`);
});

it('reloads a changed file, and checks at most once a second', () => {
  writeUsers('alice');
  const source = start();
  writeUsers('alice', 'bob');
  now += 999;
  expect(usersOf(source)).toEqual(['alice']);
  now += 1;
  expect(usersOf(source)).toEqual(['alice', 'bob']);
  expect(source.current()).toBe(source.current());
  expect(reports).toEqual([undefined]);
});

it('returns the same object while nothing changes', () => {
  writeUsers('alice');
  const source = start();
  const first = source.current();
  later();
  expect(source.current()).toBe(first);
  expect(reports).toEqual([]);
});

it('keeps the active configuration while the file has a problem, and reports it once', () => {
  writeUsers('alice');
  const source = start();
  writeFileSync(file, 'basic_auth_users: { bob: hash }\n');
  later();
  expect(usersOf(source)).toEqual(['alice']);
  later();
  expect(usersOf(source)).toEqual(['alice']);
  unlinkSync(file);
  later();
  expect(usersOf(source)).toEqual(['alice']);
  writeUsers('carol');
  later();
  expect(usersOf(source)).toEqual(['carol']);
  expect(reports).toEqual([
    "web.yml:1: basic_auth_users.bob: must be a bcrypt hash with a cost of 4 to 16: make one with 'htpasswd -nBC 10 NAME'",
    'web.yml: does not exist: check the path',
    undefined,
  ]);
});

it('reloads a renewed certificate once its key is there too', () => {
  writePair('server');
  writeFileSync(file, 'tls_server_config: { cert_file: cert.pem, key_file: key.pem }\n');
  const source = start();
  const before = source.current().tls;
  copyFileSync(join(TLS, 'renewed.pem'), join(folder, 'cert.pem'));
  later();
  expect(source.current().tls).toBe(before);
  writePair('renewed');
  later();
  expect(source.current().tls?.cert).not.toBe(before?.cert);
  expect(reports).toEqual([
    'web.yml:1: tls_server_config: has a key that does not belong to its certificate: renew both together',
    undefined,
  ]);
});

it('finds a file that was missing', () => {
  writeUsers('alice');
  const source = start();
  writeFileSync(file, 'tls_server_config: { cert_file: cert.pem, key_file: key.pem }\n');
  later();
  expect(source.current().tls).toBeUndefined();
  writePair('server');
  later();
  expect(source.current().tls?.cert).toContain('BEGIN CERTIFICATE');
});
