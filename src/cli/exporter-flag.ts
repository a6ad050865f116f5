import { EXPORTER_VARIABLE, processEnvironment } from '../config/environment.ts';
import type { Secret } from '../lib/secret.ts';
import { type Call, textFlag } from './command.ts';

export interface RemoteExporter {
  url: string;
  token: Secret | undefined;
}

/** The exporter named by `--exporter`; undefined without the flag. */
export function remoteExporterOf(call: Call): RemoteExporter | undefined {
  const url = textFlag(call, 'exporter');
  return url === undefined ? undefined : remoteExporter(call, url);
}

/** The exporter named by `--exporter` or a variable; the one on this machine without both. */
export function exporterOf(call: Call): RemoteExporter {
  const flag = textFlag(call, 'exporter') ?? processEnvironment()[EXPORTER_VARIABLE];
  return remoteExporter(call, flag || 'http://localhost:10180');
}

function remoteExporter(call: Call, url: string): RemoteExporter {
  const { tokens } = call.configSource().current.auth;
  return { url: url.replace(/\/+$/, ''), token: tokens.find(({ name }) => name === 'default')?.token };
}
