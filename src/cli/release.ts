import { type Call, exporterOf } from './command.ts';
import { EXIT, UsageError } from './exit-codes.ts';
import { holderOf } from './operation-flags.ts';
import { type RemoteHolds, remoteHolds } from './remote-exporter.ts';
import { printable } from './text.ts';

export async function release(call: Call): Promise<number> {
  const api = remoteHolds(exporterOf(call));
  const ids = await idsOf(call, api);
  if (ids.length === 0) call.terminal.out('No hold stands.\n');
  let code: number = EXIT.done;
  for (const id of ids) {
    try {
      const { routers, holder } = printable(await api.release(id));
      call.terminal.out(`released  ${printable(id)}  ${routers.join(', ')} (requested by ${holder})\n`);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      call.terminal.err(`${printable(id)}: ${error.message}\n`);
      code = EXIT.usage;
    }
  }
  return code;
}

async function idsOf(call: Call, api: RemoteHolds): Promise<readonly string[]> {
  const { all, mine } = call.flags;
  if ([all === true, mine === true, call.words.length > 0].filter(Boolean).length !== 1) {
    throw new UsageError('release needs one of: ID…, --mine, --all');
  }
  if (all !== true && mine !== true) return call.words;
  const holder = holderOf(call);
  const standing = await api.standing();
  return standing.filter((hold) => all === true || hold.holder === holder).map(({ id }) => id);
}
