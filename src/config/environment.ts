import { nearest } from '../lib/nearest.ts';
import { type Layer, namedLayer } from './layer.ts';
import { CONFIG_FILE_VARIABLE, VARIABLE_PREFIX, variableOf } from './names.ts';
import type { Option } from './options.ts';
import type { Problem } from './problem.ts';
import { didYouMean, parseTexts } from './values.ts';

/** Variables by name, as `process.env` holds them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The environment of this process: the one place that looks at it. */
export function processEnvironment(): Environment {
  return process.env;
}

/** What the variables say; an empty one says nothing, as compose files leave them. */
export function environmentLayer(env: Environment, options: readonly Option[]): Layer {
  const settings = options.flatMap((option) => {
    const name = variableOf(option);
    const value = name === undefined ? undefined : env[name];
    if (name === undefined || !value || option.path.includes('[]')) return [];
    return [{ name, path: option.path, value }];
  });
  return namedLayer([...settings, ...routersSetting(env), ...tokenSetting(env)]);
}

function routersSetting({ LLAMA_SERVER_URL: urls }: Environment) {
  const list = urls ? parseTexts(urls) : undefined;
  if (list === undefined || 'wrong' in list) return [];
  return [{ name: 'LLAMA_SERVER_URL', path: ['routers'], value: list.value.map((url) => ({ url })) }];
}

/** The one token that needs no file. Given both ways, both are handed on, for the fault to be told. */
function tokenSetting({
  LLAMA_ROUTER_EXPORTER_TOKEN: token,
  LLAMA_ROUTER_EXPORTER_TOKEN_FILE: file,
}: Environment) {
  if (!token && !file) return [];
  const element = { name: 'default', ...(token && { token }), ...(file && { token_file: file }) };
  const name = `${VARIABLE_PREFIX}TOKEN${token ? '' : '_FILE'}`;
  return [{ name, path: ['auth', 'tokens'], value: [element] }];
}

/** The key for every router that has none of its own. */
export function routerKeyLayer(env: Environment): Layer {
  return namedLayer(
    ['api_key', 'api_key_file'].flatMap((key) => {
      const name = `LLAMA_${key.toUpperCase()}`;
      return env[name] ? [{ name, path: [key], value: env[name] }] : [];
    }),
  );
}

/** Every variable that looks like ours and is none. */
export function unknownVariables(env: Environment, options: readonly Option[]): Problem[] {
  const known = [CONFIG_FILE_VARIABLE, ...options.flatMap((option) => variableOf(option) ?? [])];
  return Object.entries(env)
    .filter(
      ([name, value]) =>
        name.startsWith(VARIABLE_PREFIX) && !known.includes(name) && !isServiceLink(name, value),
    )
    .map(([name]) => ({ source: name, key: '', message: `unknown variable${suggestion(name, known)}` }));
}

function suggestion(name: string, known: readonly string[]): string {
  const ours = known.filter((each) => each.startsWith(VARIABLE_PREFIX));
  const words = ours.map((each) => each.slice(VARIABLE_PREFIX.length));
  const meant = nearest(name.slice(VARIABLE_PREFIX.length), words);
  if (meant !== undefined) return didYouMean(`${VARIABLE_PREFIX}${meant}`);
  return ': routers are given in LLAMA_SERVER_URL, all other names are in docs/configuration.md';
}

/**
 * Kubernetes and old Docker links put the address of every service into its neighbours' environment: a service
 * called llama-router-exporter gives `LLAMA_ROUTER_EXPORTER_PORT=tcp://10.0.0.1:10180` and a dozen more.
 */
function isServiceLink(name: string, value: string | undefined): boolean {
  if (/_SERVICE_(HOST|PORT(_\w+)?)$/.test(name)) return true;
  if (/_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/.test(name)) return true;
  return name.endsWith('_PORT') && /^(tcp|udp|sctp):\/\//.test(value ?? '');
}
