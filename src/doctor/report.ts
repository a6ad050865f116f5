import type { Diagnosis, Finding, Mark } from './finding.ts';

const SHOWN: Record<Mark, string> = { ok: 'ok', note: 'note', warn: 'warn', fail: 'FAIL' };

const MARK_WIDTH = 4;
const CHECK_WIDTH = 10;
const WHAT_TO_DO = 'what to do: ';

/** A diagnosis for a person: a line for each check, and below those that need it, what to do. */
export function formatDiagnosis({ name, url, findings }: Diagnosis): string {
  const address = url === undefined || url.endsWith(`//${name}`) ? (url ?? name) : `${name}  ${url}`;
  return `${address}\n${findings.map(formatFinding).join('')}\n`;
}

function formatFinding({ mark, check, says, remedy }: Finding): string {
  const line = `  ${SHOWN[mark].padEnd(MARK_WIDTH)}  ${check.padEnd(CHECK_WIDTH)}  ${says}\n`;
  const indent = ' '.repeat(2 + MARK_WIDTH + 2);
  const lines = remedy.map(
    (step, index) => `${indent}${index === 0 ? WHAT_TO_DO : ' '.repeat(WHAT_TO_DO.length)}${step}\n`,
  );
  return line + lines.join('');
}

/** The last line. */
export function conclude(diagnoses: readonly Diagnosis[]): string {
  const failures = countOf(diagnoses, 'fail');
  const warnings = countOf(diagnoses, 'warn');
  const alsoWarnings = warnings === 0 ? '' : `, and ${plural(warnings, 'warning')}`;
  if (failures > 0) return `${plural(failures, 'failure')}${alsoWarnings}.\n`;
  return warnings > 0 ? `It works, with ${plural(warnings, 'warning')}.\n` : 'All is well.\n';
}

/** A diagnosis for a machine. */
export function viewDiagnosis({ name, url, findings }: Diagnosis): Record<string, unknown> {
  const result = (['fail', 'warn'] as const).find((mark) =>
    findings.some((finding) => finding.mark === mark),
  );
  return { name, url: url ?? null, result: result ?? 'ok', checks: findings };
}

/** Whether anything in these does not work. */
export function hasFailed(diagnoses: readonly Diagnosis[]): boolean {
  return countOf(diagnoses, 'fail') > 0;
}

function countOf(diagnoses: readonly Diagnosis[], mark: Mark): number {
  return diagnoses.flatMap(({ findings }) => findings).filter((finding) => finding.mark === mark).length;
}

function plural(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
