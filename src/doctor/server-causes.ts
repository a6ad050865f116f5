import { noPort } from './connection-causes.ts';
import { excerpt, type KnownCause } from './finding.ts';
import { describeReply, isLlamaCpp, likelyServer } from './replies.ts';
import type { RouterFacts } from './router-facts.ts';

const NEEDED = 'The exporter needs llama.cpp in router mode: llama-server started without -m.';

/** Whether requests with this `Host` are answered: llama-server may have a guard against DNS rebinding. */
export const HOST_CAUSES: readonly KnownCause<RouterFacts>[] = [
  {
    cause: 'host_refused',
    when: ({ hostRefusal }) => hostRefusal !== undefined,
    says: ({ hostRefusal, hostHeader, host }) =>
      `it does not accept requests for ${hostHeader ?? host}: it answers ${hostRefusal?.status} ${excerpt(hostRefusal?.body ?? '')}`.trim(),
    remedy: ({ acceptsLocalhost }) => [
      acceptsLocalhost
        ? 'Set host_header: localhost under this router, or LLAMA_SERVER_HOST_HEADER=localhost: that is accepted.'
        : 'Set host_header under this router, or LLAMA_SERVER_HOST_HEADER, to a name that the server accepts.',
    ],
  },
];

/** Whether the API key is accepted. */
export const KEY_CAUSES: readonly KnownCause<RouterFacts>[] = [
  {
    cause: 'forbidden',
    when: ({ denied }) => denied?.status === 403,
    says: ({ denied }) => `a proxy in front of the router${serverName(denied?.server)} answers 403`,
    remedy: ['Allow this machine in the proxy, or connect to llama-server directly.'],
  },
  {
    cause: 'proxy_password',
    when: ({ denied }) => /^basic\b/i.test(denied?.authenticate ?? ''),
    says: ({ hasUser }) =>
      hasUser
        ? 'a proxy in front of the router rejects the configured user or password'
        : 'a proxy in front of the router requires a user and a password',
    remedy: ({ hasUser }) => [
      `${hasUser ? 'Correct' : 'Set'} username and password_file under this router, or LLAMA_SERVER_USERNAME and LLAMA_SERVER_PASSWORD_FILE.`,
    ],
  },
  {
    cause: 'proxy_login',
    when: ({ denied }) => /^(digest|negotiate|ntlm)\b/i.test(denied?.authenticate ?? ''),
    says: ({ denied }) =>
      `a proxy in front of the router requires a login by ${excerpt(denied?.authenticate.split(' ')[0] ?? '')}`,
    remedy: [
      'Let the proxy use Basic authentication or pass this machine, or connect to llama-server directly.',
    ],
  },
  {
    cause: 'key_hidden',
    when: ({ denied, hasUser, hasKey }) => denied !== undefined && hasUser && hasKey,
    says: 'the proxy passes the user and the password on, and the router takes them for its API key',
    remedy: [
      "Let the proxy remove the header (nginx: proxy_set_header Authorization ''): the key is sent as X-Api-Key.",
      'If the router still rejects it, the key is wrong.',
    ],
  },
  {
    cause: 'key_wrong',
    when: ({ denied, hasKey }) => denied !== undefined && hasKey,
    says: (facts) => `the router ${butLists(facts)}rejects the configured API key`,
    remedy: (facts) => [
      'Compare it with --api-key or --api-key-file of llama-server, including spaces and quotes. Of several keys, the first is sent.',
      'It comes from LLAMA_API_KEY, LLAMA_API_KEY_FILE, or api_key or api_key_file of this router.',
      ...orWrongPort(facts),
    ],
  },
  {
    cause: 'key_missing',
    when: ({ denied }) => denied !== undefined,
    says: (facts) => `the router ${butLists(facts)}requires an API key, and none is configured`,
    remedy: (facts) => [
      'Set LLAMA_API_KEY, or api_key_file: PATH under this router in the configuration file.',
      'The key is that of --api-key or --api-key-file of llama-server.',
      ...orWrongPort(facts),
    ],
  },
  {
    cause: 'fine',
    mark: 'ok',
    when: ({ hasKey, props, listing }) => hasKey && props !== undefined && listing !== undefined,
    says: 'the API key is accepted',
  },
];

/** Older builds list their models without a key. */
function butLists({ listing }: RouterFacts): string {
  return listing ? 'lists its models, but ' : '';
}

function orWrongPort({ denied }: RouterFacts): string[] {
  if (!denied || isLlamaCpp(denied) || denied.body.includes('Invalid API Key')) return [];
  return [`If this is not llama-server, correct the port. It answers '${excerpt(denied.body)}'.`];
}

/** What the server is. The order matters: the first that applies. */
export const SERVER_CAUSES: readonly KnownCause<RouterFacts>[] = [
  {
    cause: 'fine',
    mark: 'ok',
    when: ({ props, listing }) => props !== undefined && listing !== undefined,
    says: ({ props }) => `llama.cpp in router mode${props?.build ? `, build ${props.build}` : ''}`,
  },
  {
    cause: 'unknown_shape',
    when: ({ props }) => props !== undefined,
    says: ({ last }) => `this is a router, but its /models is not a list of models: ${shown(last)}`,
    remedy: ({ curl }) => [
      'Check whether a proxy changes the answer. Otherwise update the exporter: the build is unknown to it.',
      `If that does not help, report it with the output of: ${curl('/models')}`,
    ],
  },
  {
    cause: 'only_v1',
    when: ({ openai }) => openai !== undefined && openai.withStatus > 0,
    says: ({ last }) =>
      `a proxy in front of the router${serverName(last.server)} passes /v1/models, but not /models (${last.status})`,
    remedy: [
      'Let these paths pass as well: /models, /models/sse, /models/unload, /props, /metrics and /slots.',
      'Or connect to llama-server directly.',
    ],
  },
  {
    cause: 'single_model',
    when: ({ replies, fromLlamaCpp, listing }) =>
      replies.some(({ status, body }) => status === 503 && body.includes('Loading model')) ||
      (fromLlamaCpp && listing?.withStatus === 0),
    says: 'this is a llama-server with a single model, not a router',
    remedy: [
      'Start llama-server without -m, -hf and LLAMA_ARG_MODEL; give it models with --models-dir DIR.',
      "If a router runs as well, use its port: this may be the port of a model's own process.",
    ],
  },
  {
    cause: 'api_prefix',
    when: ({ fromLlamaCpp, replies }) => fromLlamaCpp && replies.every(({ status }) => status === 404),
    says: ({ prefix }) => `this is llama-server, but it has no ${prefix}/props and no ${prefix}/models`,
    remedy: ({ url, prefix, socketPath }) => [
      prefix === ''
        ? `Is it started with --api-prefix? Put that into the URL: ${url}${socketPath === undefined ? '' : ':'}/PREFIX`
        : `Correct ${prefix} in the URL: it must be the --api-prefix of llama-server, if that has one.`,
      'A build from before December 2025 has no router mode: update llama.cpp.',
    ],
  },
  {
    cause: 'no_router_build',
    when: ({ fromLlamaCpp, replies }) => fromLlamaCpp && replies.some(({ status }) => status === 404),
    says: 'this llama-server has no router mode: it does not know /models',
    remedy: [
      'Update llama.cpp to a build of December 2025 or later.',
      'Then start llama-server without -m; give it models with --models-dir DIR.',
    ],
  },
  {
    cause: 'no_role',
    mark: 'warn',
    when: ({ listing }) => listing !== undefined && listing.withStatus > 0,
    says: 'it lists models like a router, but its /props does not identify it as one',
    remedy: [
      'It is followed. If a proxy is in front of it, let /props pass: it has the build and --models-max.',
    ],
  },
  {
    cause: 'no_status',
    when: ({ listing }) => listing !== undefined,
    says: ({ listing }) => `it lists models without their status${listing ? likelyServer(listing) : ''}`,
    remedy: [NEEDED, 'llama-swap, LocalAI and others have /models too, but cannot be followed.'],
  },
  {
    cause: 'openai_only',
    when: ({ openai }) => openai !== undefined,
    says: ({ openai }) =>
      `this is another OpenAI-compatible server${openai ? likelyServer(openai) : ''}: it has /v1/models, but no /models`,
    remedy: [NEEDED, 'vLLM, Ollama, LM Studio and others cannot be followed.'],
  },
  {
    cause: 'https_expected',
    when: ({ replies }) =>
      replies.some(({ body }) => /HTTP request (was sent )?to (an )?HTTPS (port|server)/.test(body)),
    says: 'it expects HTTPS, but the URL says http',
    remedy: ({ url }) => [`Change the URL to ${url.replace(/^http:/, 'https:')}`],
  },
  {
    cause: 'redirect',
    when: ({ last }) => last.status >= 300 && last.status < 400 && last.location !== '',
    says: ({ last }) => `it redirects to ${excerpt(last.location)}`,
    remedy: [
      'Redirects are not followed: use the address it redirects to, or that of llama-server itself.',
      'A redirect to a login page comes from another program, or from a proxy.',
    ],
  },
  {
    cause: 'proxy_error',
    when: ({ last }) => last.status >= 502 && last.status <= 504,
    says: ({ last }) =>
      `a proxy${serverName(last.server)} answers ${last.status}: it cannot reach llama-server`,
    remedy: ['Start llama-server, or correct the target of this URL in the proxy.'],
  },
  {
    cause: 'server_error',
    when: ({ last }) => last.status >= 500,
    says: ({ last }) => `it answers ${shown(last)}`,
    remedy: ['See its log. If this is llama-server, restart it.'],
  },
  {
    cause: 'wrong_port',
    when: () => true,
    says: ({ front, last }) => `this is not llama-server: it answers ${describeReply(front ?? last)}`,
    remedy: (facts) => [
      'Check the port: the default of llama-server is 8080. `ss -ltnp` on its machine shows which program has it.',
      ...noPort(facts),
      ...wrongPath(facts),
    ],
  },
];

function wrongPath({ prefix }: RouterFacts): string[] {
  return prefix === '' ? [] : [`Check the path: does the proxy serve the router under ${prefix}?`];
}

function serverName(header = ''): string {
  return header === '' ? '' : ` (${excerpt(header)})`;
}

function shown({ status, body }: RouterFacts['last']): string {
  return `${status} ${excerpt(body)}`.trim();
}
