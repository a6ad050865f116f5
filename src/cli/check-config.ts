import { loadConfig } from '../config/load.ts';
import { ConfigError } from '../config/problem.ts';
import type { Config } from '../config/schema.ts';
import { loadWebConfig } from '../config/web-config.ts';
import { plural } from '../doctor/finding.ts';
import { modelGlobs } from '../doctor/model-globs.ts';
import { isInShard } from '../fleet/discovery/shard.ts';
import { ok } from '../lib/result.ts';
import type { Call } from './command.ts';
import { discoverOnce } from './discover-once.ts';
import { EXIT, UsageError } from './exit-codes.ts';
import { printable } from './text.ts';

export async function checkConfig({ words, terminal }: Call): Promise<number> {
  const [file, ...more] = words;
  if (file === undefined || more.length > 0) throw new UsageError('check-config needs exactly one FILE');
  const config = loadConfig({ file, env: {}, flags: {} });
  if (config.web.config_file !== '') loadWebConfig(config.web.config_file);
  const names = await routerNames(config);
  for (const line of doubtfulPatterns(config)) terminal.err(`${printable(line)}\n`);
  terminal.out(`${file}: valid, ${plural(names.length, 'router')}${ofShard(names, config)}\n`);
  return EXIT.done;
}

/** Reads the discovery files, but asks no name server. Throws a ConfigError. */
async function routerNames(config: Config): Promise<readonly string[]> {
  const { found, problems } = await discoverOnce(config, { addresses: async () => ok([]), stop() {} });
  if (problems.length === 0) return found.routers.map(({ name }) => name);
  throw new ConfigError(
    problems.map(({ group, message }) => ({ source: '', key: `discovery of ${group}`, message })),
  );
}

function ofShard(names: readonly string[], { follow }: Config): string {
  if (follow.total_shards === 1) return '';
  const own = names.filter((name) => isInShard(name, follow));
  return `, ${own.length} of them in shard ${follow.shard} of ${follow.total_shards}`;
}

/** What regular expressions and lists in one text look like: as patterns of models they match nothing. */
const NO_GLOB = /^\^|\$$|\.\*|\||^\s|\s$|,/;

/** Patterns of models that most likely match nothing. Whether they do, doctor finds out. */
function doubtfulPatterns(config: Config): string[] {
  return modelGlobs(config)
    .filter(({ glob }) => NO_GLOB.test(glob))
    .map(
      ({ option, glob }) =>
        `${option}: '${glob}' may match no model: one name or pattern each, in which only * and ? are special`,
    );
}
