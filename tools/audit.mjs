// `npm audit` of the lockfiles, as a check: `npm run audit [-- --required]`. Fails for any advisory about a library of the
// program, and for severe ones about tools. Where the registry answers no audits, it says so, and fails with --required.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { LIBRARIES, withNeeds } from './supply-chain.mjs';

const ROOT = fileURLToPath(new URL('../', import.meta.url));

/**
 * What a report of `npm audit --json` comes to.
 * @param {Report} report
 * @param {readonly string[]} inProgram folders of the libraries that are in the program
 * @returns {{ verdict: 'clean' | 'vulnerable' | 'not audited', lines: string[] }}
 */
export function verdictOf({ vulnerabilities, message, error }, inProgram) {
  if (vulnerabilities === undefined) {
    const why = message ?? error?.summary ?? 'npm gave no report';
    return { verdict: 'not audited', lines: [`NOT AUDITED, nothing is known about advisories: ${why}`] };
  }
  const found = Object.values(vulnerabilities).map(({ name, severity, nodes, via }) => {
    const isInProgram = nodes.some((node) => inProgram.includes(node));
    const counts = isInProgram || severity === 'high' || severity === 'critical';
    const titles = via.flatMap((each) => (typeof each === 'string' ? [] : `${each.title} ${each.url}`));
    const why = titles.length > 0 ? titles.join('; ') : `through ${via.join(', ')}`;
    return { counts, line: `${severity} ${name} (${isInProgram ? 'in the program' : 'tool'}): ${why}` };
  });
  const lines = found.map(({ counts, line }) => `${counts ? 'FAIL' : 'note'}  ${line}`).sort();
  if (found.some(({ counts }) => counts)) return { verdict: 'vulnerable', lines };
  return { verdict: 'clean', lines: [...lines, 'No advisory about a library of the program.'] };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const verdicts = ['', 'tools/draw-dashboards/', 'tools/draw-charts/'].map((folder) => {
    const { packages } = JSON.parse(readFileSync(`${ROOT}${folder}package-lock.json`, 'utf8'));
    const inProgram = folder === '' ? withNeeds(Object.keys(LIBRARIES), packages) : [];
    const { verdict, lines } = verdictOf(audit(folder), inProgram);
    for (const line of lines) console.log(`${folder}package-lock.json: ${line}`);
    return verdict;
  });
  const isRequired = process.argv.includes('--required');
  const isBad = verdicts.some((each) => each === 'vulnerable' || (isRequired && each === 'not audited'));
  process.exit(isBad ? 1 : 0);
}

/** @param {string} folder @returns {Report} */
function audit(folder) {
  const args = ['audit', '--json', '--package-lock-only'];
  const { stdout } = spawnSync('npm', args, { cwd: `${ROOT}${folder}`, encoding: 'utf8' });
  try {
    return JSON.parse(stdout);
  } catch {
    return {};
  }
}

/**
 * @typedef {{ title: string, url: string }} Advisory
 * @typedef {{ name: string, severity: string, nodes: string[], via: (string | Advisory)[] }} Vulnerability
 * @typedef {{ vulnerabilities?: Record<string, Vulnerability>, message?: string, error?: { summary?: string } }} Report
 */
