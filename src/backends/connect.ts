import type { RouterConfig } from '../config/schema.ts';
import type { RouterAnswer } from '../models/feed.ts';
import type { Backend } from './backend.ts';
import type { Endpoint } from './endpoint.ts';
import { createRouterClient } from './llama-server/client.ts';
import { createSwapClient } from './llama-swap/client.ts';

/** The backend of a server of this kind. */
export function connect(endpoint: Endpoint, kind: RouterConfig['kind']): Backend {
  switch (kind) {
    case 'llama-server':
      return createRouterClient(endpoint);
    case 'llama-swap':
      return createSwapClient(endpoint);
    case 'auto':
      return detectKind([createRouterClient(endpoint), createSwapClient(endpoint)]);
  }
}

/**
 * A server whose kind is found out: it is of the first kind until another one understands its answers, and of that one as
 * long as no other does better. A server of the first kind gets no request that it would not get otherwise.
 */
export function detectKind(kinds: readonly [Backend, ...Backend[]]): Backend {
  let current = kinds[0];
  /** A listing was understood: the kind needs no further proof. */
  let isProven = false;
  /** The current kind has been understood before: a bad answer is a fault of this server. */
  let wasProven = false;
  /** The last listing by which the kind is found out: other kinds may take other requests for something else. */
  let detection: Promise<unknown> = Promise.resolve();
  return {
    get traits() {
      return current.traits;
    },
    list(signal) {
      const answer = list(signal);
      if (!isProven) detection = answer;
      return answer;
    },
    async follow(signal, opened, event) {
      const followed = current;
      const end = await followed.follow(signal, opened, event);
      if (end.kind !== 'unsupported' || isProven) return end;
      if (followed === current) await listOther(signal);
      return followed === current ? end : current.follow(signal, opened, event);
    },
    async props(signal) {
      await detection;
      return current.props(signal);
    },
    classify: (build, stream) => current.classify(build, stream),
    unload: (model, signal) => current.unload(model, signal),
    load: (model, signal) => current.load(model, signal),
    exclusive: (work) => current.exclusive(work),
    inFlight: (model) => current.inFlight(model),
    metrics: (model, signal) => current.metrics(model, signal),
    slots: (model, signal) => current.slots(model, signal),
    async close() {
      await Promise.all(kinds.map((kind) => kind.close()));
    },
  };

  async function list(signal: AbortSignal): ReturnType<Backend['list']> {
    const answer = await current.list(signal);
    isProven = answer.ok;
    wasProven ||= answer.ok;
    if (answer.ok || !mayBeOther(answer)) return answer;
    return (await listOther(signal)) ?? answer;
  }

  /** The listing of another kind, which is the current one from now on; undefined when no other understands the server. */
  async function listOther(signal: AbortSignal): Promise<Awaited<ReturnType<Backend['list']>> | undefined> {
    for (const kind of kinds) {
      if (kind === current) continue;
      const answer = await kind.list(signal);
      // A bad answer of that kind says more of an unknown server, such as that the version is too old.
      if (!answer.ok && (wasProven || answer.fault.kind !== 'bad_answer')) continue;
      current = kind;
      isProven = answer.ok;
      wasProven = answer.ok;
      return answer;
    }
    return undefined;
  }
}

/** Whether an answer may be that of a server of another kind, rather than a fault of this one. */
function mayBeOther(answer: RouterAnswer<unknown>): boolean {
  return !answer.ok && (answer.fault.kind === 'not_a_router' || answer.fault.kind === 'bad_answer');
}
