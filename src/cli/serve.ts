import { ConfigError } from '../config/problem.ts';
import { codeOf } from '../lib/error-code.ts';
import { createLogger } from '../lib/logger.ts';
import { startService } from '../service.ts';
import type { Call, Command } from './command.ts';
import { EXIT } from './exit-codes.ts';
import { untilSignal } from './signals.ts';

/** `serve`: watches the routers and serves HTTP until it is told to end. */
export const serveCommand: Command = {
  name: 'serve',
  summary: 'Watches the routers and serves metrics, API and page (the default).',
  flags: [],
  configured: true,
  run: async (call) => serveUntilSignal(call),
};

/** Serves until SIGTERM or SIGINT; SIGHUP reloads the configuration. */
export async function serveUntilSignal(call: Call): Promise<number> {
  const config = call.configSource();
  const { level, format } = config.current.log;
  const log = createLogger({ level, format, write: call.terminal.err, now: Date.now });
  const { host, port } = config.current.web.listen_address;
  const address = `${host ?? ''}:${port}`;
  let service: Awaited<ReturnType<typeof startService>>;
  try {
    service = await startService({ config, log, version: call.version });
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const code = codeOf(error);
    const hint = code === 'EADDRINUSE' ? 'something listens there already' : code;
    log.error('cannot listen', { address, error: `${hint}: choose another --web.listen-address` });
    return EXIT.usage;
  }
  log.info('listening', {
    address: `${host ?? ''}:${service.port}`,
    routers: service.fleet.store.routers().length,
  });
  const reload = () => void service.reload();
  process.on('SIGHUP', reload);
  const signal = await untilSignal();
  process.off('SIGHUP', reload);
  log.info('shutting down', { signal });
  await service.stop();
  return EXIT.done;
}
