import { connectionCauses } from './connection-causes.ts';
import { type CauseRow, type Diagnosis, type Finding, findingsOf } from './finding.ts';
import { buildCauses, eventCauses, metricsCauses, modelCauses } from './router-causes.ts';
import type { RouterEvidence } from './router-evidence.ts';
import { factsOf, type RouterFacts } from './router-facts.ts';
import { keyCauses, serverCauses } from './server-causes.ts';
import { swapCauses, swapEventCauses, swapMetricsCauses, swapModelCauses } from './swap-causes.ts';

/** The checks of each kind of server in their order, each with its table of causes. */
const CHECKS = {
  'llama-server': {
    connection: connectionCauses,
    key: keyCauses,
    router: serverCauses,
    build: buildCauses,
    events: eventCauses,
    models: modelCauses,
    metrics: metricsCauses,
  },
  'llama-swap': {
    connection: connectionCauses,
    key: keyCauses,
    router: swapCauses,
    events: swapEventCauses,
    models: swapModelCauses,
    metrics: swapMetricsCauses,
  },
} satisfies Record<RouterFacts['found'], Record<string, (facts: RouterFacts) => CauseRow[]>>;

/**
 * The findings about a router, up to the first failure: what follows would only show its consequences. `earlier` are the
 * routers examined before, one of which may be the same server.
 */
export function diagnoseRouter(evidence: RouterEvidence, earlier: readonly RouterEvidence[] = []): Diagnosis {
  const { name, url } = evidence;
  const facts = factsOf(evidence, earlier);
  const findings: Finding[] = [];
  for (const [check, causesOf] of Object.entries(CHECKS[facts.found])) {
    findings.push(...findingsOf(check, causesOf(facts)));
    if (findings.at(-1)?.mark === 'fail') break;
  }
  return { name, url, findings };
}
