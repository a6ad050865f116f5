import { diagnoseRouter } from '../doctor/diagnose.ts';
import { diagnoseAudit } from '../doctor/diagnose-audit.ts';
import { diagnoseMemory } from '../doctor/diagnose-memory.ts';
import { diagnoseState } from '../doctor/diagnose-state.ts';
import type { RouterEvidence } from '../doctor/evidence.ts';
import { examineRouter } from '../doctor/examine.ts';
import { examineAudit } from '../doctor/examine-audit.ts';
import { examineMemory } from '../doctor/examine-memory.ts';
import { examineState } from '../doctor/examine-state.ts';
import type { Diagnosis } from '../doctor/finding.ts';
import { conclude, formatDiagnosis, hasFailed, viewDiagnosis } from '../doctor/report.ts';
import type { Command } from './command.ts';
import { EXIT } from './exit-codes.ts';
import { OUTPUT_FLAG, outputOf, withDiscovered } from './one-off.ts';

/** `doctor`: looks, tells what is wrong and what to do, and changes nothing. */
export const doctor: Command = {
  name: 'doctor',
  summary: 'Tells what is wrong and what to do. It loads, wakes and unloads nothing.',
  flags: [OUTPUT_FLAG],
  configured: true,
  async run(call) {
    const output = outputOf(call);
    const { found: config, missed } = await withDiscovered(call.config(), call.terminal);
    const { routers, follow, state, audit } = config;
    const show = (diagnosis: Diagnosis) => {
      if (output === 'text') call.terminal.out(formatDiagnosis(diagnosis));
      return diagnosis;
    };

    const examined: RouterEvidence[] = [];
    const diagnoses: Diagnosis[] = [];
    // One after the other: two of them may be one server, which must not be asked twice at the same moment.
    for (const router of routers) {
      const evidence = await examineRouter(router, follow.request_timeout, new AbortController().signal);
      diagnoses.push(show(diagnoseRouter(evidence, examined)));
      examined.push(evidence);
    }
    const own = show({
      name: 'exporter',
      findings: [
        diagnoseState(examineState(state.file)),
        diagnoseAudit(examineAudit(audit.file)),
        ...diagnoseMemory(await examineMemory(config, examined)),
      ],
    });

    const exitCode = missed ? EXIT.unreachable : exitCodeOf(diagnoses, own);
    const view = { routers: diagnoses.map(viewDiagnosis), exporter: viewDiagnosis(own), exit_code: exitCode };
    call.terminal.out(
      output === 'json' ? `${JSON.stringify(view, null, 2)}\n` : conclude([...diagnoses, own]),
    );
    return exitCode;
  },
};

/** Without its router, the service has nothing to do: that outweighs what is wrong with us. */
function exitCodeOf(routers: readonly Diagnosis[], own: Diagnosis): number {
  if (hasFailed(routers)) return EXIT.unreachable;
  return hasFailed([own]) ? EXIT.notDone : EXIT.done;
}
