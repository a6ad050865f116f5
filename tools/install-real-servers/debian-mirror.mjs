// Finds the Debian archive that this machine uses, so that the project names no host.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Missing } from './shell.mjs';

/** The archive's URL. `DEBIAN_MIRROR` overrides apt's configuration. */
export function debianMirror(etc = '/etc', override = process.env.DEBIAN_MIRROR) {
  if (override) return override;
  const release = /^VERSION_CODENAME=(.*)$/m.exec(textOf(join(etc, 'os-release')))?.[1] ?? '';
  const found = mainArchive(aptSources(join(etc, 'apt')), release);
  if (found !== undefined) return resolved(found);
  throw new Missing(
    `apt's configuration (${etc}/apt) names no Debian archive for "${release}".\n` +
      'Set DEBIAN_MIRROR to the address of a Debian archive that has the suite sid.',
  );
}

/**
 * Finds the source that offers this release with the component main, and prefers those that look like Debian's own archive:
 * with RELEASE-updates, at …/debian.
 */
function mainArchive(sources, release) {
  const suitesOf = new Map();
  for (const { uri, suites, components } of sources) {
    if (!components.includes('main')) continue;
    suitesOf.set(uri, [...(suitesOf.get(uri) ?? []), ...suites]);
  }
  const likeness = ([uri, suites]) =>
    (suites.includes(`${release}-updates`) ? 2 : 0) + (/\/debian(\/|\.list|$)/.test(uri) ? 1 : 0);
  const candidates = [...suitesOf].filter(([, suites]) => suites.includes(release));
  return candidates.sort((a, b) => likeness(b) - likeness(a))[0]?.[0];
}

/** All enabled binary sources in both formats of apt: `{uri, suites, components}`. */
function aptSources(folder) {
  const parts = join(folder, 'sources.list.d');
  const names = existsSync(parts) ? readdirSync(parts).sort() : [];
  const read = (ending) =>
    names.filter((name) => name.endsWith(ending)).map((name) => textOf(join(parts, name)));
  return [
    ...[textOf(join(folder, 'sources.list')), ...read('.list')].flatMap(parseOneLine),
    ...read('.sources').flatMap(parseDeb822),
  ];
}

/** `deb [option=value …] URI SUITE COMPONENT…` */
function parseOneLine(text) {
  return [...text.matchAll(/^[ \t]*deb[ \t]+(?:\[[^\]\n]*\][ \t]+)?(\S+)[ \t]+(\S+)([^#\n]*)/gm)].map(
    ([, uri, suite, components]) => ({ uri, suites: [suite], components: words(components) }),
  );
}

/** Paragraphs of `Field: value`, with continuation lines that begin with a blank. */
function parseDeb822(text) {
  const paragraphs = text.replace(/^#.*\n?/gm, '').split(/\n\s*\n/);
  return paragraphs.flatMap((paragraph) => {
    const field = (name) =>
      words(new RegExp(`^${name}:(.*(?:\\n[ \\t].*)*)`, 'im').exec(paragraph)?.[1] ?? '');
    if (!field('Types').includes('deb') || field('Enabled')[0] === 'no') return [];
    const [suites, components] = [field('Suites'), field('Components')];
    return field('URIs').map((uri) => ({ uri, suites, components }));
  });
}

/** Debian's cloud images name a file with mirrors; debootstrap needs one of them. */
function resolved(uri) {
  const list = /^mirror\+file:(?:\/\/)?(\/.*)$/.exec(uri)?.[1];
  return list === undefined ? uri : (words(textOf(list))[0] ?? uri);
}

function words(text) {
  return text.trim().split(/\s+/).filter(Boolean);
}

function textOf(path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}
