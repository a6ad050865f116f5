import type * as z from 'zod';
import { ACCESS_OPTIONS, accessSchema } from './access.ts';
import { accessLayer, type Environment, environmentLayer, unknownVariables } from './environment.ts';
import { fileLayer } from './file.ts';
import { type Flags, flagLayer } from './flags.ts';
import { isTree, merge, type Tree } from './layer.ts';
import { CONFIG_FILE_FLAG, CONFIG_FILE_VARIABLE } from './options.ts';
import { ConfigError, problemsOf } from './problem.ts';
import { DEFAULT_ROUTERS } from './routers.ts';
import { CONFIG_NODES, CONFIG_OPTIONS, type Config, configSchema } from './schema.ts';
import { hideSecrets, resolvePaths } from './secrets.ts';

/** The sources of a configuration. Without `file`, the flag `--config.file` or its variable may name one. */
export interface Sources {
  readonly file?: string | undefined;
  readonly env: Environment;
  readonly flags: Flags;
}

/** Generating code for a schema takes longer than to parse with it once. */
const ONCE = { jitless: true };

/**
 * Loads the configuration of defaults, file, environment and flags; the later wins. Reads the file and the files of
 * secrets. Throws a ConfigError with all problems.
 */
export function loadConfig(sources: Sources): Config {
  const file = configFileOf(sources);
  const fromFile = file === undefined ? [] : [fileLayer(file, 'routers')];
  const layers = [
    ...fromFile.map(({ layer }) => layer),
    environmentLayer(sources.env, CONFIG_OPTIONS),
    flagLayer(sources.flags, CONFIG_OPTIONS),
  ];
  const access = accessLayer(sources.env, ACCESS_OPTIONS);
  for (const layer of layers) resolvePaths(layer, CONFIG_OPTIONS);
  const problems = [
    ...fromFile.flatMap(({ problems }) => problems),
    ...unknownVariables(sources.env, CONFIG_OPTIONS),
    ...layers.flatMap((layer) => hideSecrets(layer, CONFIG_OPTIONS)),
    ...hideSecrets(access, ACCESS_OPTIONS),
  ];
  const merged = layers.map(({ tree }) => tree).reduce(mergeLayer, {});
  const forAll = accessSchema.safeParse(access.tree, ONCE);
  problems.push(...problemsOf(forAll.error?.issues ?? [], [access], ACCESS_OPTIONS));
  const parsed = configSchema.safeParse(withAccess(merged, forAll.data ?? {}), ONCE);
  problems.push(...problemsOf(parsed.error?.issues ?? [], layers, CONFIG_NODES));
  if (problems.length > 0 || !parsed.success) throw new ConfigError(problems);
  return parsed.data;
}

function configFileOf({ file, env, flags }: Sources): string | undefined {
  const flag = flags[CONFIG_FILE_FLAG];
  return file ?? (typeof flag === 'string' ? flag : undefined) ?? (env[CONFIG_FILE_VARIABLE] || undefined);
}

/** Routers in a variable or a flag replace the list of the file and also its discovery. */
function mergeLayer(under: Tree, layer: Tree): Tree {
  const { discovery: _, ...rest } = under;
  return merge(layer.routers === undefined ? under : rest, layer);
}

/** Adds the options for all routers to those without them. The default router applies only without discovery. */
function withAccess(tree: Tree, forAll: AccessForAll): Tree {
  const { discovery } = tree;
  const isDiscovering = Array.isArray(discovery) && discovery.length > 0;
  const { routers = isDiscovering ? [] : DEFAULT_ROUTERS } = tree;
  const complete = (list: unknown) => {
    return Array.isArray(list) ? list.map((each) => (isTree(each) ? accessOf(each, forAll) : each)) : list;
  };
  return { ...tree, routers: complete(routers), discovery: complete(discovery) };
}

type AccessForAll = Partial<z.output<typeof accessSchema>>;

/** Own options win. A user goes with its password, and a CA is for https only. */
function accessOf(router: Tree, { username, password, ca_file, ...forAll }: AccessForAll): Tree {
  const hasUser = router.username !== undefined || router.password !== undefined;
  const user = hasUser ? {} : { username, password };
  const isPlain = typeof router.url === 'string' && !/^\s*https:/i.test(router.url);
  return merge({ ...forAll, ...user, ca_file: isPlain ? undefined : ca_file }, router);
}
