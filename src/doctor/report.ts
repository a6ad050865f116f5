import { type Diagnosis, type Finding, type Mark, plural } from './finding.ts';

/** A line for each check, and what to do below it. */
export function formatDiagnosis({ name, url, findings }: Diagnosis): string {
  const isNamed = url === undefined || url.endsWith(`//${name}`) || url === `unix:${name}`;
  const address = isNamed ? (url ?? name) : `${name}  ${url}`;
  return `${address}\n${findings.map(formatFinding).join('')}\n`;
}

function formatFinding({ mark, check, says, remedy }: Finding): string {
  const shown = mark === 'fail' ? 'FAIL' : mark;
  const steps = remedy.map((step, index) => `${(index === 0 ? 'what to do:' : '').padStart(19)} ${step}\n`);
  return `  ${shown.padEnd(4)}  ${check.padEnd(10)}  ${says}\n${steps.join('')}`;
}

/** The last line. */
export function formatSummary(diagnoses: readonly Diagnosis[]): string {
  const findings = diagnoses.flatMap((diagnosis) => diagnosis.findings);
  const counted = (mark: Mark, word: string) => {
    const count = findings.filter((finding) => finding.mark === mark).length;
    return count === 0 ? [] : [plural(count, word)];
  };
  const problems = [...counted('fail', 'failure'), ...counted('warn', 'warning')];
  return problems.length === 0 ? 'No problems found.\n' : `${problems.join(', ')}.\n`;
}

/** A diagnosis as JSON. */
export function viewDiagnosis({ name, url, findings }: Diagnosis): Record<string, unknown> {
  const result = (['fail', 'warn'] as const).find((mark) => findings.some((each) => each.mark === mark));
  return { name, url: url ?? null, result: result ?? 'ok', checks: findings };
}

/** Whether anything does not work. */
export function hasFailed(diagnoses: readonly Diagnosis[]): boolean {
  return diagnoses.some(({ findings }) => findings.some(({ mark }) => mark === 'fail'));
}
