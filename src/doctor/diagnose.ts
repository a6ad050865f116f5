import { BUILD_CAUSES, EVENT_CAUSES, UNLOAD_CAUSES } from './build-causes.ts';
import { diagnoseConnection } from './connection-causes.ts';
import { type Diagnosis, type Finding, findCause } from './finding.ts';
import { IDENTITY_CAUSES, LIMIT_CAUSES, METRICS_CAUSES, MODEL_CAUSES } from './router-causes.ts';
import type { RouterEvidence } from './router-evidence.ts';
import { factsOf, type RouterFacts } from './router-facts.ts';
import { HOST_CAUSES, KEY_CAUSES, SERVER_CAUSES } from './server-causes.ts';

/** The findings about a router. `earlier` are the routers examined before, one of which may be the same server. */
export function diagnoseRouter(evidence: RouterEvidence, earlier: readonly RouterEvidence[] = []): Diagnosis {
  const { name, url } = evidence;
  const findings = findingsOf(factsOf(evidence, earlier));
  return { name, url, findings: findings.filter((finding) => finding !== undefined) };
}

/** Without a connection, a key or a router, the later checks mean nothing. */
function findingsOf(facts: RouterFacts): (Finding | undefined)[] {
  const connection = diagnoseConnection(facts);
  if (connection.mark === 'fail') return [connection];
  const host = findCause('host', HOST_CAUSES, facts);
  if (host) return [connection, host];
  const key = findCause('key', KEY_CAUSES, facts);
  const models = facts.listing && findCause('models', MODEL_CAUSES, { ...facts, listing: facts.listing });
  if (key?.mark === 'fail') return [connection, key, models];
  const server = findCause('router', SERVER_CAUSES, facts);
  if (server?.mark === 'fail') return [connection, server];
  return [
    connection,
    key,
    server,
    findCause('build', BUILD_CAUSES, facts),
    findCause('events', EVENT_CAUSES, facts),
    findCause('unloads', UNLOAD_CAUSES, facts),
    models,
    findCause('limit', LIMIT_CAUSES, facts),
    findCause('metrics', METRICS_CAUSES, facts),
    findCause('identity', IDENTITY_CAUSES, facts),
  ];
}
