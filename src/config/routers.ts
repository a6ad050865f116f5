import { z } from 'zod';
import { hostAndPort } from './address.ts';
import { choice, label, labels, options, routerUrl, secret, texts } from './fields.ts';

/** The one router that is watched when none is named. */
export const DEFAULT_ROUTERS: readonly { url: string }[] = [{ url: 'http://localhost:8080' }];

const router = z
  .strictObject({
    name: label('What the router is called: the label `router` of its metrics.', 'host:port of the URL'),
    url: routerUrl("The router's address, with the base path it is served under, if any.", {
      fallback: DEFAULT_ROUTERS.map(({ url }) => url).join(', '),
      env: 'LLAMA_SERVER_URL',
      flag: 'router',
    }),
    keep: texts('Globs of models on this router that are never unloaded, beside unload.keep.'),
    api_key: secret('The API key that the router asks for (its `--api-key`).', { env: 'LLAMA_API_KEY' }),
    local: choice(
      'auto',
      ['auto', 'yes', 'no'],
      'Whether it runs on this machine, so that the memory of its models can be told; auto finds out.',
    ),
    labels: labels('What else is known of it: labels of the metric llama_router_labels.'),
  })
  .transform(({ name, ...rest }) => Object.freeze({ name: name ?? hostAndPort(rest.url), ...rest }));

/** The list of routers: none twice, each with a name of its own. */
export const routers = z
  .array(router)
  .superRefine(checkRouters, { when: ({ value }) => Array.isArray(value) })
  .readonly()
  .prefault([...DEFAULT_ROUTERS])
  .register(options, {
    kind: 'section',
    type: 'list',
    description: 'The llama.cpp routers to watch: a list, each element with these keys.',
    fallback: '',
  });

/** Runs even when an element is wrong, so that all is reported at once: its fields may then be anything. */
function checkRouters(list: readonly unknown[], ctx: z.core.$RefinementCtx): void {
  const wrong = (path: (string | number)[], message: string) =>
    ctx.addIssue({ code: 'custom', path, message });
  const known = list.map((element) => (element ?? {}) as { name?: unknown; url?: unknown });
  for (const [index, { name, url }] of known.entries()) {
    const sameUrl = known.findIndex((other) => typeof url === 'string' && other.url === url);
    const sameName = known.findIndex((other) => typeof name === 'string' && other.name === name);
    if (sameUrl >= 0 && sameUrl < index) {
      wrong([index, 'url'], `is the router of routers[${sameUrl}] again: keep one of them`);
    } else if (sameName >= 0 && sameName < index) {
      wrong([index, 'name'], `'${name}' is already the name of routers[${sameName}]: give each its own`);
    }
  }
}
