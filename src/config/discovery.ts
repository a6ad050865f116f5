import { z } from 'zod';
import { choice, count, duration, labels, options, paths, requiredLabel, secret, texts } from './fields.ts';
import { isTree } from './layer.ts';

const group = z
  .strictObject({
    name: requiredLabel('What the group is called: the label `group` of the metrics of discovery.'),
    files: paths(
      "Files of routers in Prometheus' `file_sd` format, JSON or YAML; the last part of a path may hold `*`.",
    ),
    dns: texts('Names, fully qualified, whose records are routers.'),
    dns_type: choice('SRV', ['SRV', 'A', 'AAAA'], 'What is asked for under these names.'),
    dns_servers: texts('Who is asked, as `address:port`; empty: whom this machine asks.'),
    port: count(8080, 'The port of routers that are found without one, as by A and AAAA records.', {
      min: 1,
      max: 65_535,
    }),
    scheme: choice('http', ['http', 'https'], 'How they are talked to, where a file does not say.'),
    interval: duration('10s', '1s', 'Between two looks.'),
    max_routers: count(500, 'So many are followed; more are a fault that the metrics tell.', { min: 1 }),
    keep: texts('Globs of models on these routers that are never unloaded, beside unload.keep.'),
    api_key: secret('The API key that these routers ask for.'),
    local: choice('auto', ['auto', 'yes', 'no'], 'Whether they run on this machine; auto finds out.'),
    labels: labels('Labels of the metric llama_router_labels; those of a file win.'),
  })
  .superRefine(checkSources, { when: ({ value }) => isTree(value) })
  .readonly();

/** Groups of routers that are found, each with a name of its own. */
export const discovery = z
  .array(group)
  .superRefine(checkNames, { when: ({ value }) => Array.isArray(value) })
  .readonly()
  .prefault([])
  .register(options, {
    kind: 'section',
    type: 'list',
    description:
      'Groups of routers that are found in files and by DNS: a list, each element with these keys.',
    fallback: '',
  });

/** Run even when something is wrong, so that all is reported at once: fields may then be anything. */
function checkSources(element: unknown, ctx: z.core.$RefinementCtx): void {
  const { files, dns, dns_servers } = element as Record<string, unknown>;
  const isNone = (list: unknown) => Array.isArray(list) && list.length === 0;
  if (isNone(files) && isNone(dns)) {
    ctx.addIssue({ code: 'custom', path: [], message: 'finds nothing: give it files or dns' });
  }
  const servers: unknown[] = Array.isArray(dns_servers) ? dns_servers : [];
  const wrong = servers.find((server) => typeof server === 'string' && !SERVER.test(server));
  if (wrong !== undefined) {
    const message = `'${wrong}' is no address of a name server: write it like 127.0.0.1:8600 or [::1]:53`;
    ctx.addIssue({ code: 'custom', path: ['dns_servers'], message });
  }
}

/** An address, since a name would have to be looked up first. */
const SERVER = /^(\d{1,3}(\.\d{1,3}){3}|\[[0-9a-fA-F:]+\])(:\d{1,5})?$/;

function checkNames(list: readonly unknown[], ctx: z.core.$RefinementCtx): void {
  const names = list.map((element) => ((element ?? {}) as { name?: unknown }).name);
  for (const [index, name] of names.entries()) {
    const same = names.findIndex((other) => typeof name === 'string' && other === name);
    if (same < 0 || same >= index) continue;
    const message = `'${name}' is already the name of discovery[${same}]: give each its own`;
    ctx.addIssue({ code: 'custom', path: [index, 'name'], message });
  }
}
