import type { Secret } from '../lib/secret.ts';
import { type Environment, environmentLayer, routerKeyLayer, unknownVariables } from './environment.ts';
import { fileLayer } from './file.ts';
import { type Flags, flagLayer } from './flags.ts';
import { isTree, merge, type Tree } from './layer.ts';
import { locate } from './locate.ts';
import { CONFIG_FILE_FLAG, CONFIG_FILE_VARIABLE } from './names.ts';
import { nodesOf } from './options.ts';
import { ConfigError } from './problem.ts';
import { DEFAULT_ROUTERS } from './routers.ts';
import { type Config, configSchema } from './schema.ts';
import { hideSecrets, resolvePaths } from './secrets.ts';

/** Where a configuration comes from. Without `file`, the flag `--config.file` or its variable may name one. */
export interface Sources {
  readonly file?: string | undefined;
  readonly env: Environment;
  readonly flags: Flags;
}

const NODES = nodesOf(configSchema);
const OPTIONS = NODES.filter(({ kind }) => kind !== 'section');

/**
 * The configuration of defaults, file, environment and flags, the later winning; frozen. Reads the file and the
 * files of secrets. Throws a ConfigError that tells everything that is wrong at once.
 */
export function loadConfig(sources: Sources): Config {
  const file = configFileOf(sources);
  const fromFile = file === undefined ? undefined : fileLayer(file);
  const layers = [
    ...(fromFile === undefined ? [] : [fromFile.layer]),
    environmentLayer(sources.env, OPTIONS),
    flagLayer(sources.flags, OPTIONS),
  ];
  const routerKey = routerKeyLayer(sources.env);
  for (const layer of layers) resolvePaths(layer, OPTIONS);
  const problems = [
    ...(fromFile?.problems ?? []),
    ...unknownVariables(sources.env, OPTIONS),
    ...layers.flatMap((layer) => hideSecrets(layer, OPTIONS)),
    ...hideSecrets(routerKey, [{ kind: 'secret', path: ['api_key'] }]),
  ];
  const merged = layers.map(({ tree }) => tree).reduce(over, {});
  const parsed = configSchema.safeParse(withRouterKey(merged, routerKey.tree.api_key as Secret | undefined));
  for (const issue of parsed.error?.issues ?? []) problems.push(...locate(issue, layers, NODES));
  if (problems.length > 0 || !parsed.success) throw new ConfigError(problems);
  return parsed.data;
}

/** The file that will be read; undefined when there is none. */
export function configFileOf({ file, env, flags }: Sources): string | undefined {
  const flag = flags[CONFIG_FILE_FLAG];
  return file ?? (typeof flag === 'string' ? flag : undefined) ?? (env[CONFIG_FILE_VARIABLE] || undefined);
}

/** Whoever names routers in a variable or a flag means these: what the file would find is set aside like its list. */
function over(under: Tree, layer: Tree): Tree {
  const { discovery: _, ...rest } = under;
  return merge(layer.routers === undefined ? under : rest, layer);
}

/** The routers with the key for those that have none of their own. None are the default where some may be found. */
function withRouterKey(tree: Tree, key: Secret | undefined): Tree {
  const { discovery } = tree;
  const areFound = Array.isArray(discovery) && discovery.length > 0;
  const { routers = areFound ? [] : DEFAULT_ROUTERS } = tree;
  const keyed = (list: unknown) => {
    if (key === undefined || !Array.isArray(list)) return list;
    return list.map((each) =>
      isTree(each) && each.api_key === undefined ? { ...each, api_key: key } : each,
    );
  };
  return { ...tree, routers: keyed(routers), ...(areFound && { discovery: keyed(discovery) }) };
}
