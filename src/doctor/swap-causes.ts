import { oldVersion, versionNumber } from '../backends/llama-swap/identity.ts';
import { parseModels, parseVersion } from '../backends/llama-swap/schemas.ts';
import { parseJson } from '../lib/parse-json.ts';
import { type CauseRow, excerpt, fail, fine, note, warn } from './finding.ts';
import { describeReply } from './replies.ts';
import { counted } from './router-causes.ts';
import { type RouterFacts, saidBy } from './router-facts.ts';
import { kindCause } from './server-causes.ts';
import type { SwapEvidence } from './swap-evidence.ts';

/** What the exporter asks a llama-swap. */
const PATHS = '/api/version, /running, /v1/models, /api/events and /api/models/unload/';

/** Which llama-swap it is, and whether its answers are understood. */
export function swapCauses(facts: RouterFacts): CauseRow[] {
  const { version: reply, listing } = evidenceIn(facts);
  const [said] = saidBy(reply);
  const version = (said?.status === 200 && parseVersion(parseJson(said.body))) || undefined;
  const tooOld = version && oldVersion(version);
  return [
    kindCause(facts, true),
    fail(
      'old_version',
      tooOld !== undefined,
      `this ${tooOld}`,
      'See https://github.com/mostlygeek/llama-swap/releases',
    ),
    fail(
      'no_version',
      version === undefined,
      `this is a llama-swap, but its /api/version answers ${said ? describeReply(said) : 'nothing'}`,
      `Let a proxy in front of it pass these paths: ${PATHS}.`,
      'Without a proxy, update llama-swap to v240 or newer.',
    ),
    fail(
      'no_listing',
      listing?.ok !== true,
      `this is a llama-swap, but its models cannot be listed: ${listing?.ok === false ? listing.fault.message : ''}`,
      `Let a proxy in front of it pass these paths: ${PATHS}.`,
      `Otherwise update the exporter. If that does not help, report it with the output of: ${facts.curl('/running')}`,
    ),
    note(
      'version_unknown',
      version !== undefined && versionNumber(version) === undefined,
      `llama-swap of unknown version (${excerpt(version ?? '')}): it was not built for a release. The exporter needs v240 or newer.`,
    ),
    fine(true, `llama-swap ${excerpt(version ?? '')}`),
  ];
}

/** Whether changes and requests under way are seen. */
export function swapEventCauses(facts: RouterFacts): CauseRow[] {
  const { stream } = evidenceIn(facts);
  return [
    fine(stream === 'open', 'the event stream is open: changes and requests under way are seen at once'),
    warn(
      'no_event_stream',
      true,
      `there is no event stream: /api/events ${describeStream(stream, facts.timeoutSeconds)}`,
      'Let a proxy in front of llama-swap pass /api/events, without buffering (nginx: proxy_buffering off).',
      'Until then it is unknown whether models are busy. An unload asks each on its own port; where that cannot be reached, use --when-busy force.',
      'Models are polled then: not all counters are exact, and unlisted models are seen only while they run.',
    ),
  ];
}

function describeStream(stream: SwapEvidence['stream'], timeoutSeconds: number): string {
  if (typeof stream !== 'object') return `shows no models within ${timeoutSeconds} s`;
  if (stream.kind === 'fault') return `fails: ${stream.fault.message}`;
  return stream.kind === 'ended' ? 'ends at once' : 'is not found, or no event stream';
}

export function swapModelCauses(facts: RouterFacts): CauseRow[] {
  const { listing, listed } = evidenceIn(facts);
  const models = listing?.ok ? listing.value.models : [];
  const shown = new Set(
    parseModels(parseJson(saidBy(listed)[0]?.body ?? ''))?.map(({ id }) => id) ?? models.map(({ id }) => id),
  );
  const hidden = models.filter(({ id }) => !shown.has(id)).map(({ id }) => id);
  const odd = models.filter(({ status }) => status === 'other').map(({ id }) => id);
  const timed = models.flatMap(({ id, ttlSeconds = 0 }) =>
    ttlSeconds > 0 ? `${id} after ${ttlSeconds} s` : [],
  );
  const ttl = timed.length === 0 ? '' : `; unloaded by llama-swap when idle: ${excerpt(timed.join(', '))}`;
  const unlisted = hidden.length === 0 ? '' : `; unlisted: ${excerpt(hidden.join(', '))}`;
  return [
    warn(
      'no_models',
      models.length === 0,
      'llama-swap has no models',
      'Add some in its configuration, under models. Models of its peers run elsewhere and are not followed.',
    ),
    warn(
      'unreadable_models',
      odd.length > 0,
      `${counted(models)}; in an unknown state: ${excerpt(odd.join(', '))}`,
      'They are shown as `other` and never unloaded.',
      `Update the exporter. If that does not help, report it with the output of: ${facts.curl('/running')}`,
    ),
    fine(true, `${counted(models)}${unlisted}${ttl}`),
  ];
}

/** Whether loaded models have metrics of their own. No model is loaded to find out. */
export function swapMetricsCauses(facts: RouterFacts): CauseRow[] {
  const { listing, metrics = [] } = evidenceIn(facts);
  const loaded = listing?.ok ? listing.value.models.filter(({ status }) => status === 'loaded') : [];
  const read = metrics.filter(({ answer }) => answer.ok && answer.value.kind === 'text');
  const unread = metrics.flatMap(({ model, answer }) => {
    const why = whyNone(answer);
    return why === undefined
      ? []
      : [{ model, why, obstacle: OBSTACLES.find(([, words]) => words.test(why)) }];
  });
  const causes = OBSTACLES.map((row) => {
    const [cause, , ...remedy] = row;
    const these = unread.filter(({ obstacle }) => obstacle === row);
    const names = excerpt(these.map(({ model }) => model).join(', '));
    return warn(cause, these.length > 0, `no metrics of ${names}: ${these[0]?.why}`, ...remedy, EFFECT);
  });
  return [
    ...causes,
    fine(
      read.length > 0,
      `metrics are read from the port of each model: ${excerpt(read.map(({ model }) => model).join(', '))}`,
    ),
    note(
      'metrics_unread',
      true,
      `no metrics of models were read: ${loaded.length > 0 ? 'engine.read is off, or that would restart an idle timer' : 'none is loaded, and doctor loads none'}`,
    ),
  ];
}

const EFFECT =
  'Until then there are no llamacpp: metrics of these models. Status, requests under way and unloads do not need them.';

const VISIBLE_PORTS =
  "The exporter reads them from the port of the model's process (proxy in llama-swap's configuration), because a request through llama-swap would load the model.";

/** Why a model has no metrics, by words: the first row that applies. */
const OBSTACLES: readonly (readonly [cause: string, words: RegExp, ...remedy: string[]])[] = [
  [
    'ports_elsewhere',
    / of the machine of the llama-swap/,
    VISIBLE_PORTS,
    'Run the exporter there, in the same network namespace (network_mode: service:llama-swap), or let proxy name a host that is reachable from here.',
    'If it is this machine, set local: yes under this router.',
  ],
  ['no_metrics', / answers 501$/, 'Add --metrics to the cmd of the model.'],
  [
    'no_metrics_path',
    / answers (404|405)$|metrics of a llama-swap/,
    'Its program has no /metrics, or another one has the port. With llama-server, add --metrics to its cmd.',
  ],
  [
    'metrics_denied',
    / answers 40[13]$/,
    'Its program requires a key of its own, and the exporter sends none: remove --api-key from its cmd, and let it listen on loopback.',
  ],
  [
    'ports_unreachable',
    /./,
    VISIBLE_PORTS,
    'Check whether that port can be reached from here: in containers, put both into one network, and let proxy name the host.',
  ],
];

type MetricsAnswer = NonNullable<SwapEvidence['metrics']>[number]['answer'];

function whyNone(answer: MetricsAnswer): string | undefined {
  if (!answer.ok) return answer.fault.message;
  return answer.value.kind === 'none' ? answer.value.why : undefined;
}

function evidenceIn({ swap }: RouterFacts): Partial<SwapEvidence> {
  return swap ?? {};
}
