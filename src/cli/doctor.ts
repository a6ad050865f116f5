import { diagnoseRouter } from '../doctor/diagnose.ts';
import { diagnoseFiles } from '../doctor/files.ts';
import { type Diagnosis, type Finding, type Mark, plural } from '../doctor/finding.ts';
import { diagnosePatterns, diagnoseSeries } from '../doctor/listed-models.ts';
import { diagnoseMemory, examineMemory } from '../doctor/memory.ts';
import { examineRouter, type RouterEvidence } from '../doctor/router-evidence.ts';
import type { Call } from './command.ts';
import { EXIT } from './exit-codes.ts';
import { outputOf, withDiscovered } from './one-off.ts';
import { formatJson, printable } from './text.ts';

export async function doctor(call: Call): Promise<number> {
  const output = outputOf(call);
  const { result: config, missed } = await withDiscovered(call);
  const show = (diagnosis: Diagnosis) => {
    if (output === 'text') call.terminal.out(formatDiagnosis(printable(diagnosis)));
    return diagnosis;
  };

  const examined: RouterEvidence[] = [];
  const routers: Diagnosis[] = [];
  // One after the other: two of them may be one server, which concurrent requests could freeze.
  for (const router of config.routers) {
    const evidence = await examineRouter(router, config);
    routers.push(show(diagnoseRouter(evidence, examined)));
    examined.push(evidence);
  }
  const files = diagnoseFiles(config);
  const patterns = diagnosePatterns(config, examined);
  const memory = diagnoseMemory(await examineMemory(config, examined));
  const series = diagnoseSeries(config, examined);
  const exporter = show({ name: 'exporter', findings: [...files, ...patterns, ...series, ...memory] });

  // Without its routers, the service has nothing to do.
  const failed = hasFailed([exporter]) ? EXIT.notDone : EXIT.done;
  const exitCode = missed || hasFailed(routers) ? EXIT.unreachable : failed;
  const view = {
    routers: routers.map(viewDiagnosis),
    exporter: viewDiagnosis(exporter),
    exit_code: exitCode,
  };
  call.terminal.out(output === 'json' ? formatJson(view) : formatSummary([...routers, exporter]));
  return exitCode;
}

/** A line for each check, and what to do below it. */
function formatDiagnosis({ name, url, findings }: Diagnosis): string {
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
function formatSummary(diagnoses: readonly Diagnosis[]): string {
  const findings = diagnoses.flatMap((diagnosis) => diagnosis.findings);
  const counted = (mark: Mark, word: string) => {
    const count = findings.filter((finding) => finding.mark === mark).length;
    return count === 0 ? [] : [plural(count, word)];
  };
  const problems = [...counted('fail', 'failure'), ...counted('warn', 'warning')];
  return problems.length === 0 ? 'No problems found.\n' : `${problems.join(', ')}.\n`;
}

/** A diagnosis as JSON. */
function viewDiagnosis({ name, url, findings }: Diagnosis): Record<string, unknown> {
  const result = (['fail', 'warn'] as const).find((mark) => findings.some((each) => each.mark === mark));
  return { name, url: url ?? null, result: result ?? 'ok', checks: findings };
}

/** Whether anything does not work. */
function hasFailed(diagnoses: readonly Diagnosis[]): boolean {
  return diagnoses.some(({ findings }) => findings.some(({ mark }) => mark === 'fail'));
}
