import { diagnoseKey } from './diagnose-key.ts';
import { diagnoseEvents, diagnoseLimit, diagnoseMetrics, diagnoseModels } from './diagnose-router.ts';
import { diagnoseServer } from './diagnose-server.ts';
import { diagnoseSilence } from './diagnose-silence.ts';
import type { RouterEvidence } from './evidence.ts';
import { type Diagnosis, type Finding, fine } from './finding.ts';
import { identify } from './identify.ts';
import { diagnoseIdentity } from './same-server.ts';

/** All that can be said of a router: of its evidence alone, and of those examined before it. */
export function diagnoseRouter(evidence: RouterEvidence, before: readonly RouterEvidence[] = []): Diagnosis {
  const { name, url } = evidence;
  return { name, url, findings: findingsOf(evidence, before) };
}

function findingsOf(evidence: RouterEvidence, before: readonly RouterEvidence[]): Finding[] {
  const { props, models, peer } = evidence;
  const silent = [props, models].find((reply) => reply?.kind === 'silence');
  if (silent?.kind === 'silence') return [diagnoseSilence(evidence, silent.why, silent.detail)];

  const connection = fine('connection', `${peer ?? new URL(evidence.url).host} answers`);
  const server = identify(evidence);
  switch (server.kind) {
    case 'locked':
      return [
        connection,
        diagnoseKey(evidence, server.by),
        ...(server.listing ? [diagnoseModels(evidence, server.listing)] : []),
      ];
    case 'router': {
      const { build } = server.props;
      return [
        connection,
        ...(evidence.hasKey ? [fine('key', 'the API key is accepted')] : []),
        fine('router', `llama.cpp in router mode${build ? `, build ${build}` : ''}`),
        diagnoseModels(evidence, server.listing),
        ...diagnoseLimit(server.props),
        diagnoseMetrics(evidence, server.listing),
        ...diagnoseEvents(evidence),
        ...diagnoseIdentity(evidence, before),
      ];
    }
    case 'look_alike':
      return [
        connection,
        {
          check: 'router',
          mark: 'warn',
          cause: 'no_role',
          says: 'it lists models as a router does, but its /props does not say that it is one',
          remedy: [
            'It is followed. If a proxy is in between, let /props pass: it tells the build and --models-max.',
          ],
        },
        diagnoseModels(evidence, server.listing),
        ...diagnoseEvents(evidence),
        ...diagnoseIdentity(evidence, before),
      ];
    default:
      return [connection, diagnoseServer(evidence, server)];
  }
}
