// Prints the section of a release in CHANGELOG.md: `node tools/release-notes.mjs v0.1.0`. Fails if the tag is not a valid
// release.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

/** Returns `{ notes }` or `{ wrong }` with the reason. `versions` maps files to the versions they name. */
export function releaseNotes(tag, versions, changelog) {
  const version = tag.replace(/^v/, '');
  const other = Object.entries(versions).find(([, named]) => named !== version);
  if (other !== undefined) {
    const [file, named] = other;
    return {
      wrong: `the tag is ${tag}, but ${file} says ${named}: tags are made by \`npm version\`, see CONTRIBUTING.md`,
    };
  }
  const sections = changelog.split(/^## /m).slice(1);
  const section = sections.find((text) => text.split('\n')[0].split(' ')[0] === version);
  if (section === undefined)
    return { wrong: `CHANGELOG.md has no heading \`## ${version} - YYYY-MM-DD\`: rename \`## Unreleased\`` };
  const [heading, ...lines] = section.split('\n');
  if (!/^\S+ - \d{4}-\d\d-\d\d$/.test(heading))
    return { wrong: `the heading in CHANGELOG.md is '## ${heading}': write \`## ${version} - YYYY-MM-DD\`` };
  return { notes: `${lines.join('\n').trim()}\n` };
}

/** The version in each file that has one. */
export function namedVersions() {
  const text = (path) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
  const chart = parse(text('deploy/helm/llama-router-exporter/Chart.yaml'));
  return {
    'package.json': JSON.parse(text('package.json')).version,
    'package-lock.json': JSON.parse(text('package-lock.json')).version,
    'Chart.yaml': chart.version,
    'appVersion of Chart.yaml': chart.appVersion,
    Dockerfile: /^ARG VERSION=(.*)$/m.exec(text('Dockerfile'))?.[1],
    'docker-compose.yml': /image: llama-router-exporter:(.*)$/m.exec(text('docker-compose.yml'))?.[1],
    'docs/openapi.json': JSON.parse(text('docs/openapi.json')).info.version,
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const changelog = readFileSync(new URL('../CHANGELOG.md', import.meta.url), 'utf8');
  const { notes, wrong } = releaseNotes(process.argv[2] ?? '', namedVersions(), changelog);
  if (wrong === undefined) process.stdout.write(notes);
  else {
    console.error(`Not a release: ${wrong}.`);
    process.exitCode = 1;
  }
}
