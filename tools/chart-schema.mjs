// Generates values.schema.json, which Helm checks before it renders. Types come from the defaults in values.yaml, the keys of
// `config` from the configuration schema.
import { chartValues, hasChildren } from './chart-values.mjs';

const strings = { type: 'object', additionalProperties: { type: 'string' } };
const duration = { type: 'string', pattern: '^([0-9]+(ms|s|m|h))+$' };
const port = { type: 'integer', minimum: 1, maximum: 65535 };

/** Types that the defaults do not show. */
const NARROWER = {
  mode: { enum: ['deployment', 'sidecar'] },
  'sidecar.podLabels': strings,
  'image.repository': { type: 'string', minLength: 1 },
  'image.digest': { type: 'string', pattern: '^(sha256:[0-9a-f]{64})?$' },
  'image.pullPolicy': { enum: ['Always', 'IfNotPresent', 'Never'] },
  'secrets.values': {
    type: 'object',
    propertyNames: { pattern: '^[-._a-zA-Z0-9]+$' },
    additionalProperties: { type: 'string', minLength: 1 },
  },
  'service.type': { enum: ['ClusterIP', 'NodePort', 'LoadBalancer'] },
  'service.port': port,
  'service.annotations': strings,
  'serviceMonitor.labels': strings,
  'serviceMonitor.interval': duration,
  'serviceMonitor.scrapeTimeout': duration,
  'serviceMonitor.routerHosts': strings,
  'prometheusRule.labels': strings,
  'prometheusRule.alertLabels': strings,
  'prometheusRule.thresholds': { type: 'object', additionalProperties: { type: 'number' } },
  'dashboards.labels': strings,
  'dashboards.annotations': strings,
  'networkPolicy.routerPorts': { type: 'array', items: port },
  podAnnotations: strings,
  podLabels: strings,
  nodeSelector: strings,
};

/** Types of lists and mappings. */
const TYPES = { texts: ['array', 'string'], paths: ['array', 'string'], labels: ['object'] };

export async function chartSchema() {
  const values = chartValues();
  const { properties } = strictly(values, []);
  const { description } = properties.config;
  const schema = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    $comment: 'Generated from values.yaml and src/config/schema.ts by `npm run generate`.',
    ...strict({
      ...properties,
      config: { description, ...(await configShape()) },
      // Helm passes it to every dependency.
      global: { type: 'object' },
    }),
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

/** The schema of the mapping at a path: exactly its documented keys. */
function strictly(values, path) {
  const below = values.filter((value) => path.every((step, i) => value.path[i] === step));
  const keys = [...new Set(below.flatMap((value) => value.path[path.length] ?? []))];
  return strict(Object.fromEntries(keys.map((key) => [key, shapeOf(values, [...path, key])])));
}

function shapeOf(values, path) {
  const own = values.find((value) => value.path.join('.') === path.join('.'));
  const described = own === undefined ? {} : { description: own.description };
  if (hasChildren(values, path)) return { ...described, ...strictly(values, path) };
  return { ...described, ...(NARROWER[path.join('.')] ?? { type: typeOf(own.fallback) }) };
}

function typeOf(fallback) {
  if (Array.isArray(fallback)) return 'array';
  return Number.isInteger(fallback) ? 'integer' : typeof fallback;
}

/** The keys of the configuration file. null means the default. The exporter checks the values. */
async function configShape() {
  const built = (file) => import(new URL(`../.build/src/config/${file}.js`, import.meta.url).href);
  const [{ nodesOf }, { configSchema }] = await Promise.all([built('options'), built('schema')]);
  return configMapping(nodesOf(configSchema), []);
}

function configMapping(nodes, path) {
  const inside = nodes.filter((node) => path.every((step, i) => node.path[i] === step));
  const keys = [...new Set(inside.flatMap((node) => node.path[path.length] ?? []))];
  return strict(Object.fromEntries(keys.map((key) => [key, configNode(nodes, [...path, key])])));
}

function configNode(nodes, path) {
  const own = nodes.find((node) => node.path.join('.') === path.join('.'));
  const description = own?.description;
  if (nodes.some((node) => node.path.join('.').startsWith(`${path.join('.')}.[].`)))
    return { description, type: ['array', 'null'], items: configMapping(nodes, [...path, '[]']) };
  if (own?.kind === 'section')
    return { description, ...configMapping(nodes, path), type: ['object', 'null'] };
  return { description, type: [...(TYPES[own?.kind] ?? ['string', 'number', 'boolean']), 'null'] };
}

function strict(properties) {
  return { type: 'object', additionalProperties: false, properties };
}
