import * as z from 'zod';
import { failed, ok } from '../lib/result.ts';
import { accessOptions, checkAccess, OWN_ACCESS } from './access.ts';
import { nameOfUrl, parseRouterUrl } from './address.ts';
import * as f from './fields.ts';
import { parseList, parseVisibleText } from './values.ts';

/** The router that is followed when none is configured. */
export const DEFAULT_ROUTERS: readonly { url: string }[] = [{ url: 'http://localhost:8080' }];

const KINDS = ['auto', 'llama-server', 'llama-swap'] as const;

const LOCAL = ['auto', 'yes', 'no'] as const;

const router = f
  .checked(
    z.strictObject({
      name: f.optional('text', 'Value of the label `router` in its metrics.', parseVisibleText, {
        fallback: 'host:port of the URL, or path of the socket',
      }),
      url: f.required(
        'URL',
        "The router's address, with its base path if it has one: http, https or `unix:/path`.",
        parseRouterUrl,
        {
          fallback: DEFAULT_ROUTERS.map(({ url }) => url).join(', '),
          env: 'LLAMA_SERVER_URL',
          flag: 'router',
        },
      ),
      kind: f.choice(
        'auto',
        KINDS,
        'What runs there: a llama-server in router mode or a llama-swap; auto detects it.',
      ),
      keep: f.texts('Globs of models on this router that are never unloaded, in addition to unload.keep.'),
      ...OWN_ACCESS,
      local: f.choice(
        'auto',
        LOCAL,
        'Whether it runs on this machine, so that the memory of its models can be measured.',
      ),
      labels: f.labels('Additional labels, published in the metric llama_router_labels.'),
    }),
    checkAccess,
    checkCaFile,
  )
  .transform(({ name, ...rest }) => Object.freeze({ name: name ?? nameOfUrl(rest.url), ...rest }));

export const routers = f.list(
  'routers',
  'The llama.cpp routers and llama-swaps to follow: a list of mappings with these keys.',
  router,
  ['url', 'name'],
);

/** An IP address: a name would have to be looked up first. */
const SERVER = /^(\d{1,3}(\.\d{1,3}){3}|\[[0-9a-fA-F:]+\])(:\d{1,5})?$/;
const SERVER_FORMAT = 'the address of a name server: write it like 127.0.0.1:8600 or [::1]:53';

const group = f
  .checked(
    z.strictObject({
      name: f.requiredText('Value of the label `group` in the metrics of discovery.'),
      files: f.option(
        '',
        'list of paths',
        "Files with routers in Prometheus' `file_sd` format, JSON or YAML; the last part of a path may contain `*`.",
        (value) => parseList(value, ok),
        { kind: 'paths' },
      ),
      dns: f.texts('Fully qualified names to look up; their records are routers.'),
      dns_type: f.choice('SRV', ['SRV', 'A', 'AAAA'], 'Type of the DNS records.'),
      dns_servers: f.texts(
        'Name servers to ask, as `address:port`; empty: those of this machine.',
        '',
        (text) => (SERVER.test(text) ? ok(text) : failed(`'${text}' is not ${SERVER_FORMAT}`)),
      ),
      port: f.count(8080, 'Port of routers found without one, such as by A and AAAA records.', {
        min: 1,
        max: 65_535,
      }),
      scheme: f.choice('http', ['http', 'https'], 'Protocol of routers where a file does not set it.'),
      interval: f.duration('10s', '1s', 'Time between two discoveries.'),
      max_routers: f.count(500, 'Maximum number of routers to follow; more are reported as a failure.', {
        min: 1,
      }),
      kind: f.choice('auto', KINDS, 'What runs there; auto detects it for each.'),
      keep: f.texts('Globs of models on these routers that are never unloaded, in addition to unload.keep.'),
      ...accessOptions(() => ({})),
      local: f.choice('auto', LOCAL, 'Whether they run on this machine.'),
      labels: f.labels('Additional labels in llama_router_labels; labels from a file win.'),
    }),
    checkSources,
    checkAccess,
  )
  .readonly();

export const discovery = f.list(
  'discovery',
  'Groups of routers that are discovered in files and by DNS: a list of mappings with these keys.',
  group,
  ['name'],
);

function checkCaFile({ url, ca_file }: { url: unknown; ca_file?: unknown }, wrong: f.Wrong): void {
  if (ca_file === undefined || typeof url !== 'string' || url.startsWith('https:')) return;
  wrong(['ca_file'], `has no effect: ${url} is not https`);
}

function checkSources({ files, dns }: { files?: unknown; dns?: unknown }, wrong: f.Wrong): void {
  if (f.isEmptyList(files) && f.isEmptyList(dns)) wrong([], 'has neither files nor dns: give it one of them');
}
