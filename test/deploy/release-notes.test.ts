import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { namedVersions, releaseNotes } from '../../tools/release-notes.mjs';

const changelog = `# Changelog

## 1.2.0 - 2026-12-01

### Added

- A thing.

## 1.1.0 - 2026-11-30

- Another.
`;
const versions = { 'package.json': '1.2.0', 'Chart.yaml': '1.2.0' };

describe('release notes', () => {
  it('are the section of the changelog', () => {
    expect(releaseNotes('v1.2.0', versions, changelog)).toEqual({ notes: '### Added\n\n- A thing.\n' });
  });

  it.each([
    ['v1.3.0', versions, changelog, 'the tag is v1.3.0, but package.json says 1.2.0'],
    ['v1.2.0', { ...versions, 'Chart.yaml': '1.1.0' }, changelog, 'but Chart.yaml says 1.1.0'],
    ['v1.2.0', versions, '## Unreleased\n', 'rename `## Unreleased`'],
    ['v1.2.0', versions, changelog.replace(' - 2026-12-01', ''), "the heading in CHANGELOG.md is '## 1.2.0'"],
    ['v1.2', { 'package.json': '1.2' }, changelog, 'CHANGELOG.md has no heading `## 1.2 -'],
  ])('%s: %j with another changelog are none', (tag, named, text, words) => {
    expect(releaseNotes(tag, named, text)).toEqual({ wrong: expect.stringContaining(words) });
  });
});

describe('this version', () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

  it('is the same in every file', () => {
    const files = Object.values(namedVersions());
    expect(files.length).toBeGreaterThan(3);
    expect(new Set(files)).toEqual(new Set([version]));
  });

  it('is the first section of the changelog, unless there are unreleased changes', () => {
    const text = readFileSync(new URL('../../CHANGELOG.md', import.meta.url), 'utf8');
    const [, first] = /^## (.+)$/m.exec(text) ?? [];
    expect(first === 'Unreleased' || first?.startsWith(`${version} - `)).toBe(true);
  });
});
