import type { Said } from '../backends/llama-server/probe.ts';
import type { RouterEvidence } from './evidence.ts';
import type { Cause, Finding } from './finding.ts';
import { type Server, shorten } from './identify.ts';

const NEEDED = 'This program follows the router mode of llama.cpp: llama-server started without -m.';

/** Why a server that answers is no router that can be followed. */
export function diagnoseServer(
  evidence: RouterEvidence,
  server: Exclude<Server, { kind: 'router' | 'look_alike' | 'locked' }>,
): Finding {
  const { cause, says, remedy } = explain(evidence, server);
  return { check: 'router', mark: 'fail', cause, says, remedy };
}

function explain(
  { url }: RouterEvidence,
  server: Exclude<Server, { kind: 'router' | 'look_alike' | 'locked' }>,
): { cause: Cause; says: string; remedy: string[] } {
  switch (server.kind) {
    case 'single_model':
      return {
        cause: 'single_model',
        says: 'this is a llama-server with one model, not a router',
        remedy: [
          'Start llama-server without -m, -hf and LLAMA_ARG_MODEL: --models-dir DIR gives it its models.',
          "If a router runs too, give its port: this may be the one of a model's own process.",
        ],
      };
    case 'no_router_build':
      return {
        cause: 'no_router_build',
        says: 'this is a llama-server without router mode: it knows no /models',
        remedy: [
          'Update llama.cpp: router mode came in December 2025.',
          'Then start llama-server without -m: --models-dir DIR gives it its models.',
        ],
      };
    case 'no_status':
      return {
        cause: 'no_status',
        says: `it lists models without telling which are loaded${looks(server.like)}: it is no llama.cpp router`,
        remedy: [NEEDED, 'llama-swap, LocalAI and others answer /models too: they cannot be followed.'],
      };
    case 'openai_only':
      return {
        cause: 'openai_only',
        says: `it answers /v1/models, but not /models${looks(server.like)}: an OpenAI-like server, no llama.cpp router`,
        remedy: [
          NEEDED,
          'vLLM, Ollama, LM Studio and others cannot be followed: give the address of the router.',
        ],
      };
    case 'redirect':
      return {
        cause: 'redirect',
        says: `it redirects to ${shorten(server.to)}`,
        remedy: [
          'Give the address that it redirects to, or the one of llama-server itself.',
          'A redirect to a login is that of another program, or of a proxy: redirects are not followed.',
        ],
      };
    case 'tls':
      return {
        cause: 'https_expected',
        says: 'it speaks HTTPS, and the URL says http',
        remedy: [`Write ${url.replace(/^http:/, 'https:')}`],
      };
    case 'broken':
      return explainBroken(server.by);
    case 'router_without_listing':
      return {
        cause: 'unknown_shape',
        says: `it is a router, but its /models is no list of models: ${shownReply(server.models)}`,
        remedy: [
          'A proxy in between that rewrites it, or a build that nobody here knows yet.',
          `Please report it, with the output of: curl ${url}/models`,
        ],
      };
    case 'something_else':
      return {
        cause: 'wrong_port',
        says: `this is no llama-server: it answers ${server.what}`,
        remedy: [
          "Check the port: llama-server's default is 8080, `ss -ltnp` on its machine tells which is whose.",
          ...addressRemedy(url),
        ],
      };
  }
}

function explainBroken(by: Said): { cause: Cause; says: string; remedy: string[] } {
  if (by.status >= 502 && by.status <= 504) {
    const proxy = by.server ? ` (${shorten(by.server)})` : '';
    return {
      cause: 'proxy_error',
      says: `a proxy${proxy} answers ${by.status}: it does not reach llama-server behind it`,
      remedy: ['Start llama-server, or mend where the proxy sends requests for this URL.'],
    };
  }
  return {
    cause: 'server_error',
    says: `it answers ${shownReply(by)}`,
    remedy: ['Look at its log; if this is llama-server, restart it.'],
  };
}

function addressRemedy(url: string): string[] {
  const { pathname, port, protocol } = new URL(url);
  return [
    ...(port === ''
      ? [`The URL names no port: ${protocol.slice(0, -1)} takes ${protocol === 'https:' ? 443 : 80}.`]
      : []),
    ...(pathname === '/' ? [] : [`Or the path: does the proxy serve the router under ${pathname}?`]),
  ];
}

function looks(like: string): string {
  return like === '' ? '' : ` (it looks like ${like})`;
}

function shownReply(reply: { kind: 'silence' } | Said): string {
  if (reply.kind === 'silence') return 'no answer';
  const text = shorten(reply.body);
  return `${reply.status}${text && ` ${text}`}`;
}
