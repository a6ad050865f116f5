import { nearest } from '../lib/nearest.ts';
import { type Layer, namedLayer, type Setting } from './layer.ts';
import { CONFIG_FILE_VARIABLE, type Option, VARIABLE_PREFIX, variableOf } from './options.ts';
import type { ConfigProblem } from './problem.ts';
import { didYouMean } from './values.ts';

/** The URL of a running exporter, for commands and integrations that ask one. */
export const EXPORTER_VARIABLE = `${VARIABLE_PREFIX}URL`;

export type Environment = Readonly<Record<string, string | undefined>>;

export function processEnvironment(): Environment {
  return process.env;
}

/** The options in the environment. An empty variable counts as not set, as compose files leave them. */
export function environmentLayer(env: Environment, options: readonly Option[]): Layer {
  return namedLayer([...settingsIn(env, options), ...routersSetting(env), ...tokenSetting(env)]);
}

/** How to reach every router that does not say so itself: API key, user, CA, `Host`. */
export function accessLayer(env: Environment, options: readonly Option[]): Layer {
  return namedLayer(settingsIn(env, options));
}

function settingsIn(env: Environment, options: readonly Option[]): Setting[] {
  return options.flatMap((option) => {
    const name = option.path.includes('[]') ? undefined : variableOf(option);
    return name && env[name] ? { name, path: option.path, value: env[name] } : [];
  });
}

function routersSetting({ LLAMA_SERVER_URL: urls }: Environment): Setting[] {
  if (!urls) return [];
  const value = urls.split(',').flatMap((url) => (url.trim() === '' ? [] : [{ url }]));
  return [{ name: 'LLAMA_SERVER_URL', path: ['routers'], value }];
}

/** The token `default`. With both variables set, both are passed on: the problem is reported later. */
function tokenSetting(env: Environment): Setting[] {
  const { LLAMA_ROUTER_EXPORTER_TOKEN: token, LLAMA_ROUTER_EXPORTER_TOKEN_FILE: file } = env;
  if (!token && !file) return [];
  const name = `${VARIABLE_PREFIX}TOKEN${token ? '' : '_FILE'}`;
  const element = { name: 'default', token: token || undefined, token_file: file || undefined };
  return [{ name, path: ['auth', 'tokens'], value: [element] }];
}

/** A problem for every unknown variable with the exporter's prefix. */
export function unknownVariables(env: Environment, options: readonly Option[]): ConfigProblem[] {
  const known = [
    CONFIG_FILE_VARIABLE,
    EXPORTER_VARIABLE,
    ...options.flatMap((option) => variableOf(option) ?? []),
  ];
  return Object.entries(env)
    .filter(([name]) => name.startsWith(VARIABLE_PREFIX) && !known.includes(name))
    .filter(([name, value]) => !isServiceLink(name, value))
    .map(([name]) => ({ source: name, key: '', message: `unknown variable${suggestion(name, known)}` }));
}

function suggestion(name: string, known: readonly string[]): string {
  const prefixed = known.filter((each) => each.startsWith(VARIABLE_PREFIX));
  const words = prefixed.map((each) => each.slice(VARIABLE_PREFIX.length));
  const meant = nearest(name.slice(VARIABLE_PREFIX.length), words);
  if (meant !== undefined) return didYouMean(`${VARIABLE_PREFIX}${meant}`);
  return ': routers are set with LLAMA_SERVER_URL, other variables are listed in docs/configuration.md';
}

/**
 * Kubernetes and old Docker links add the address of every service to the environment of its neighbors: a service
 * named llama-router-exporter sets `LLAMA_ROUTER_EXPORTER_PORT=tcp://10.0.0.1:10180` and more.
 */
function isServiceLink(name: string, value: string | undefined): boolean {
  if (/_SERVICE_(HOST|PORT(_\w+)?)$/.test(name)) return true;
  if (/_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/.test(name)) return true;
  return name.endsWith('_PORT') && /^(tcp|udp|sctp):\/\//.test(value ?? '');
}
