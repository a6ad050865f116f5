import { loadConfig } from '../config/load.ts';
import { loadWebConfig } from '../config/web-config.ts';
import type { Command } from './command.ts';
import { EXIT, UsageError } from './exit-codes.ts';

/** `check-config FILE`: what `serve --config.file FILE` would say of it, and of the web configuration file that it names. */
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
    const count = config.routers.length;
    terminal.out(`${file}: valid, ${count} router${count === 1 ? '' : 's'}\n`);
    return EXIT.done;
  },
};
