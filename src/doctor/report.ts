import { type Diagnosis, type Finding, type Mark, plural } from './finding.ts';

const SHOWN: Record<Mark, string> = { ok: 'ok', note: 'note', warn: 'warn', fail: 'FAIL' };
const INDENT = ' '.repeat(8);
const WHAT_TO_DO = 'what to do: ';

/** A line for each check, and what to do below it. */
export function formatDiagnosis({ name, url, findings }: Diagnosis): string {
  const isNamed = url === undefined || url.endsWith(`//${name}`) || url === `unix:${name}`;
  const address = isNamed ? (url ?? name) : `${name}  ${url}`;
  return `${address}\n${findings.map(formatFinding).join('')}\n`;
}

function formatFinding({ mark, check, says, remedy }: Finding): string {
  const line = `  ${SHOWN[mark].padEnd(4)}  ${check.padEnd(10)}  ${says}\n`;
  const lead = (index: number) => (index === 0 ? WHAT_TO_DO : ' '.repeat(WHAT_TO_DO.length));
  return line + remedy.map((step, index) => `${INDENT}${lead(index)}${step}\n`).join('');
}

/** The last line. */
export function formatSummary(diagnoses: readonly Diagnosis[]): string {
  const failures = countOf(diagnoses, 'fail');
  const warnings = countOf(diagnoses, 'warn');
  const found = [
    failures > 0 ? plural(failures, 'failure') : '',
    warnings > 0 ? plural(warnings, 'warning') : '',
  ].filter((part) => part !== '');
  return found.length === 0 ? 'No problems found.\n' : `${found.join(', ')}.\n`;
}

/** A diagnosis as JSON. */
export function viewDiagnosis({ name, url, findings }: Diagnosis): Record<string, unknown> {
  const result = (['fail', 'warn'] as const).find((mark) => findings.some((each) => each.mark === mark));
  return { name, url: url ?? null, result: result ?? 'ok', checks: findings };
}

/** Whether anything does not work. */
export function hasFailed(diagnoses: readonly Diagnosis[]): boolean {
  return countOf(diagnoses, 'fail') > 0;
}

function countOf(diagnoses: readonly Diagnosis[], mark: Mark): number {
  return diagnoses.flatMap(({ findings }) => findings).filter((finding) => finding.mark === mark).length;
}
