import { diagnoseRouter } from '../doctor/diagnose.ts';
import { diagnoseFiles } from '../doctor/files.ts';
import type { Diagnosis } from '../doctor/finding.ts';
import { diagnoseMemory, examineMemory } from '../doctor/memory.ts';
import { diagnosePatterns } from '../doctor/patterns.ts';
import { formatDiagnosis, formatSummary, hasFailed, viewDiagnosis } from '../doctor/report.ts';
import { examineRouter, type RouterEvidence } from '../doctor/router-evidence.ts';
import { diagnoseSeries } from '../doctor/series.ts';
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
