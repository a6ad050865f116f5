import { portHint } from './connection-causes.ts';
import { type CauseRow, excerpt, fail, fine, plural, warn } from './finding.ts';
import { describeReply, isLlamaCpp, proxyOf } from './replies.ts';
import type { RouterFacts } from './router-facts.ts';
import { isFromSwap } from './swap-evidence.ts';

/** Whether the API key is accepted, and before it the credentials for a proxy. */
export function keyCauses({ denied, hasKey, hasUser, isUnderstood, listing }: RouterFacts): CauseRow[] {
  const { status, authenticate = '', body = '' } = denied ?? {};
  // llama-swap names only Basic, but takes a Bearer token as well.
  const isSwap = isFromSwap(denied);
  const [scheme = ''] = isSwap ? [] : authenticate.split(' ');
  const isLogin = /^(digest|negotiate|ntlm)$/i.test(scheme);
  const isOther = denied !== undefined && !isSwap && !isLlamaCpp(denied) && !body.includes('Invalid API Key');
  return [
    fail(
      'proxy_refuses',
      status === 403 || isLogin,
      `a proxy in front of the server ${isLogin ? `requires a login by ${scheme}` : 'answers 403'}`,
      'Let the proxy pass this machine or use Basic authentication, or connect to the server directly.',
    ),
    fail(
      'proxy_password',
      /^basic$/i.test(scheme),
      `a proxy in front of the server ${hasUser ? 'rejects the configured' : 'requires a'} user and password`,
      `${hasUser ? 'Correct' : 'Set'} username and password_file under this router, or LLAMA_SERVER_USERNAME and LLAMA_SERVER_PASSWORD_FILE.`,
    ),
    fail(
      // Older builds list their models without a key.
      hasKey ? 'key_wrong' : 'key_missing',
      denied !== undefined,
      `the server ${listing ? 'lists its models, but ' : ''}${hasKey ? 'rejects the configured API key' : 'requires an API key, and none is configured'}`,
      `${hasKey ? 'Correct' : 'Set'} LLAMA_API_KEY, LLAMA_API_KEY_FILE, or api_key or api_key_file of this router.`,
      `The key is ${isSwap ? 'one of apiKeys in the configuration of llama-swap' : 'that of --api-key or --api-key-file of llama-server'}, including spaces and quotes. Of several keys, the first is sent.`,
      hasKey &&
        hasUser &&
        !isSwap &&
        "The proxy may pass the user on in place of the key (nginx: proxy_set_header Authorization ''): the key is sent as X-Api-Key.",
      isSwap &&
        hasUser &&
        hasKey &&
        'llama-swap reads the key from Authorization first, where the user is sent: remove username, or let the proxy remove Authorization.',
      isSwap &&
        hasUser &&
        !hasKey &&
        'Or put the key into password_file under this router: llama-swap takes it as the password of any user.',
      isOther &&
        `If this is neither llama-server nor llama-swap, correct the port. It answers '${excerpt(body)}'.`,
    ),
    fine(hasKey && isUnderstood, 'the API key is accepted'),
  ];
}

/** The configuration names another kind of server than was found. */
export function kindCause({ kind, found }: RouterFacts, isCertain: boolean): CauseRow {
  return fail(
    'kind_wrong',
    isCertain && kind !== 'auto' && kind !== found,
    `this is a ${found}, but the configuration says kind: ${kind}`,
    `Remove kind under this router, or set kind: ${found}`,
  );
}

export function serverCauses(facts: RouterFacts): CauseRow[] {
  const { props, listing, openai, replies, last, fromLlamaCpp, prefix, url, socketPath } = facts;
  const unknownPaths = replies.filter(({ status }) => status === 404).length;
  const isLoading = replies.some(({ status, body }) => status === 503 && body.includes('Loading model'));
  return [
    kindCause(facts, props !== undefined),
    fine(
      props !== undefined && listing !== undefined,
      `llama.cpp in router mode${props?.build ? `, build ${props.build}` : ''}${limitOf(props)}`,
    ),
    fail(
      'unknown_shape',
      props !== undefined,
      `this is a router, but its /models is not a list of models: ${describeReply(last)}`,
      'Check whether a proxy changes the answer. Otherwise update the exporter: the build is unknown to it.',
      `If that does not help, report it with the output of: ${facts.curl('/models')}`,
    ),
    fail(
      'only_v1',
      openai !== undefined && openai.withStatus > 0,
      `a proxy in front of the router${proxyOf(last)} passes /v1/models, but not /models (${last?.status})`,
      'Let these paths pass as well: /models, /models/sse, /models/unload, /props, /metrics and /slots.',
      'Or connect to llama-server directly.',
    ),
    fail(
      'api_prefix',
      fromLlamaCpp && unknownPaths === replies.length,
      `this is llama-server, but it has no ${prefix}/props and no ${prefix}/models`,
      prefix === ''
        ? `Is it started with --api-prefix? Put that into the URL: ${url}${socketPath === undefined ? '' : ':'}/PREFIX`
        : `Correct ${prefix} in the URL: it must be the --api-prefix of llama-server, if that has one.`,
      'A build from before December 2025 has no router mode: update llama.cpp.',
    ),
    fail(
      'single_model',
      isLoading || (fromLlamaCpp && (listing?.withStatus === 0 || unknownPaths > 0)),
      'this is a llama-server with a single model, not a router',
      'Start llama-server without -m, -hf and LLAMA_ARG_MODEL; give it models with --models-dir DIR. Builds from before December 2025 have no router mode.',
      "If a router runs as well, use its port: this may be the port of a model's own process.",
    ),
    warn(
      'no_role',
      listing !== undefined && listing.withStatus > 0,
      'it lists models like a router, but its /props does not identify it as one',
      'It is followed. If a proxy is in front of it, let /props pass: it has the build and --models-max.',
    ),
    fail(
      'other_server',
      listing !== undefined || openai !== undefined,
      `this is another OpenAI-compatible server (${(listing ?? openai)?.ownedBy}): it lists models without their status`,
      'The exporter needs llama.cpp in router mode (llama-server started without -m) or llama-swap.',
      'vLLM, Ollama, LM Studio, LocalAI and others cannot be followed.',
    ),
    fail(
      'server_error',
      last !== undefined && last.status >= 500,
      `it answers ${describeReply(last)}`,
      'If a proxy answers: start the server behind it, or correct the target of this URL in the proxy.',
      'If this is the server itself: see its log, and restart it.',
    ),
    fail(
      'wrong_port',
      true,
      `this is neither llama-server nor llama-swap: it answers ${describeReply(last)}`,
      'Check the port: the default of both is 8080. `ss -ltnp` on its machine shows which program has it.',
      'Redirects are not followed: use the address of the server itself, or that of the proxy in front of it.',
      portHint(facts),
      prefix !== '' && `Check the path: does the proxy serve the router under ${prefix}?`,
    ),
  ];
}

function limitOf(props: RouterFacts['props']): string {
  const { modelsMax, autoload } = props ?? {};
  if (modelsMax === undefined) return '';
  const most = modelsMax === 0 ? 'any number of models' : `at most ${plural(modelsMax, 'model')}`;
  return `, ${most} in memory (--models-max)${autoload === false ? ', loaded only on request' : ''}`;
}
