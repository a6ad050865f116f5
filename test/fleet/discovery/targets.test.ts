import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { targetAt, targetsOf } from '../../../src/fleet/discovery/targets.ts';
import { failed, ok } from '../../../src/lib/result.ts';

const TERMS = { scheme: 'http', port: 8080 } as const;

describe('a file of targets', () => {
  it('is JSON or YAML in file_sd format', () => {
    const json =
      '[{"targets": ["a:1", "b:2"], "labels": {"site": "attic", "__meta_x": "y"}}, {"targets": ["c:3"]}]';
    const yaml = '- targets: ["a:1", b:2]\n  labels: {site: attic, __meta_x: "y"}\n- targets:\n  - c:3\n';
    const wanted = [
      { name: 'a:1', url: 'http://a:1', labels: { site: 'attic' } },
      { name: 'b:2', url: 'http://b:2', labels: { site: 'attic' } },
      { name: 'c:3', url: 'http://c:3', labels: {} },
    ];
    expect(targetsOf(json, TERMS)).toEqual(ok(wanted));
    expect(targetsOf(yaml, TERMS)).toEqual(ok(wanted));
    expect(targetsOf('[]', TERMS)).toEqual(ok([]));
  });

  it('may have Unix sockets', () => {
    const text = '[{"targets": ["unix:/run/a.sock", "/run/b.sock:/llama"]}]';
    expect(targetsOf(text, TERMS)).toEqual(
      ok([
        { name: '/run/a.sock', url: 'unix:/run/a.sock', labels: {} },
        { name: '/run/b.sock', url: 'unix:/run/b.sock:/llama', labels: {} },
      ]),
    );
  });

  it('may give the name and the scheme of a router', () => {
    const text = '[{"targets": ["box:443"], "labels": {"router": "my box", "__scheme__": "https"}}]';
    expect(targetsOf(text, TERMS)).toEqual(ok([{ name: 'my box', url: 'https://box', labels: {} }]));
  });

  it.each([
    ['', 'is empty: write [] for no routers'],
    [' \n', 'is empty: write [] for no routers'],
    ['[{"targets": ["a"]', '1:19: not valid YAML: the indentation does not line up with the lines around it'],
    ['targets: [a]', "is not a list of mappings with 'targets' and 'labels', as in file_sd"],
    ['[{"targets": "a"}]', "is not a list of mappings with 'targets' and 'labels', as in file_sd"],
    [
      '- targets: [a, b]\n  labels: {router: x}',
      "gives the name 'x' to 2 routers: write one element for each",
    ],
    [
      '- targets: [a]\n  labels: {rack: 7}',
      "has labels of which 'rack' must be text, not a number: put it in quotes",
    ],
    [
      '- targets: [a]\n  labels: {a-b: x}',
      "has labels of which 'a-b' is not a label name: use letters, digits and underscores",
    ],
    [
      '- targets: [""]',
      "has the target '', of which 'http://:8080' is not a URL: write it like http://localhost:8080",
    ],
    [
      '- targets: [a]\n  labels: {router: " "}',
      "has a target whose label 'router' is empty or has control characters",
    ],
    [
      '- targets: ["user:word@a"]',
      "has the target '…', of which the URL contains credentials: remove them and set username and password_file",
    ],
  ])('that is invalid is refused: %j', (text, wrong) => {
    expect(targetsOf(text, TERMS)).toEqual(failed(wrong));
  });

  it('of any content is parsed or refused', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.json({ maxDepth: 3 }).map((json) => `[${json}]`),
        ),
        (text) => {
          const read = targetsOf(text, TERMS);
          if (!read.ok) return read.fault !== '';
          return read.value.every(({ name, url }) => name !== '' && URL.canParse(url));
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('a target', () => {
  it.each([
    ['box', 'box:8080', 'http://box:8080'],
    ['box:80', 'box:80', 'http://box'],
    ['box/llama', 'box:8080', 'http://box:8080/llama'],
    ['box:81/llama/', 'box:81', 'http://box:81/llama'],
    ['[::1]', '[::1]:8080', 'http://[::1]:8080'],
    ['[::1]:9', '[::1]:9', 'http://[::1]:9'],
    ['https://box/llama', 'box:443', 'https://box/llama'],
  ])('%s is the router %s at %s', (address, name, url) => {
    expect(targetAt(address, TERMS)).toEqual(ok({ name, url, labels: {} }));
  });
});
