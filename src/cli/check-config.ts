import { loadConfig } from '../config/load.ts';
import { ConfigError } from '../config/problem.ts';
import type { Config } from '../config/schema.ts';
import { loadWebConfig } from '../config/web-config.ts';
import { createDiscovery } from '../fleet/discovery/discovery.ts';
import { systemClock } from '../lib/clock.ts';
import { ok } from '../lib/result.ts';
import type { Command } from './command.ts';
import { EXIT, UsageError } from './exit-codes.ts';

/** `check-config FILE`: what `serve --config.file FILE` would say of it, and of the files that it names. */
export const checkConfig: Command = {
  name: 'check-config',
  summary: 'Checks a configuration file.',
  words: 'FILE',
  flags: [],
  configured: false,
  async run({ words, terminal }) {
    const [file, ...more] = words;
    if (file === undefined || more.length > 0) throw new UsageError('check-config takes one FILE');
    const config = loadConfig({ file, env: {}, flags: {} });
    const { config_file } = config.web;
    if (config_file !== '') loadWebConfig(config_file);
    const { routers } = await lookIntoFiles(config);
    const count = routers.length;
    terminal.out(`${file}: valid, ${count} router${count === 1 ? '' : 's'}\n`);
    return EXIT.done;
  },
};

/** The configuration with the routers in its files of discovery; nobody is asked for names. Throws a ConfigError. */
async function lookIntoFiles(config: Config): Promise<Config> {
  const silent = { addresses: async () => ok([]), stop() {} };
  const discovery = createDiscovery(config, systemClock, () => silent);
  await discovery.follow(config);
  const groups = discovery.groups();
  discovery.stop();
  const problems = groups.flatMap(({ group, faults, ignored }) => {
    const key = `discovery of ${group}`;
    return [...faults, ...ignored.map(({ target, why }) => `${target} is not followed: ${why}`)].map(
      (message) => ({ source: '', key, message }),
    );
  });
  if (problems.length > 0) throw new ConfigError(problems);
  return discovery.current;
}
