import { setFlagsFromString } from 'node:v8';
import { ListenError } from '../http/server.ts';
import { createLogger } from '../lib/logger.ts';
import { VERSION } from '../lib/version.ts';
import { type Service, startService } from '../service.ts';
import type { Call } from './command.ts';
import { EXIT } from './exit-codes.ts';
import { listenFaultOf, untilSignal } from './process.ts';

// An exporter does little, again and again. Node 20 optimizes such code early, in threads of its own: a seventh of the CPU of an
// idle exporter. Later versions wait longer, and do not know the flag.
if (process.versions.node.startsWith('20.')) setFlagsFromString('--interrupt-budget=1000000');

/**
 * Serves until SIGTERM or SIGINT; SIGHUP reloads the configuration. Throws errors other than an address that cannot
 * be listened on.
 */
export async function serve(call: Call): Promise<number> {
  const config = call.configSource();
  const { level, format } = config.current.log;
  const log = createLogger({ level, format, write: call.terminal.err, now: Date.now });
  let service: Service;
  try {
    service = await startService({ config, log, version: VERSION });
  } catch (error) {
    const fault = error instanceof ListenError ? listenFaultOf(error.cause) : undefined;
    if (fault === undefined) throw error;
    const { address } = error as ListenError;
    log.error('cannot listen', { address, error: `${fault}: choose another --web.listen-address` });
    return EXIT.usage;
  }
  for (const address of service.addresses) {
    log.info('listening', { address, routers: service.fleet.store.routers().length });
  }
  const reload = () => void service.reload();
  process.on('SIGHUP', reload);
  const signal = await untilSignal();
  process.off('SIGHUP', reload);
  log.info('shutting down', { signal });
  await service.stop();
  return EXIT.done;
}
