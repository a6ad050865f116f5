import type { Said } from '../backends/llama-server/probe.ts';
import type { RouterEvidence } from './evidence.ts';
import type { Finding } from './finding.ts';
import { shorten } from './identify.ts';
import { isLlamaCpp } from './listing.ts';

/** What a 401 or 403 means, by who says it and whether we have a key at all. */
export function diagnoseKey({ hasKey, models }: RouterEvidence, by: Said): Finding {
  const found = (cause: Finding['cause'], says: string, remedy: string[]): Finding => {
    return { check: 'key', mark: 'fail', cause, says, remedy };
  };
  const { status, authenticate, server } = by;
  if (status === 403) {
    return found(
      'forbidden',
      `it answers 403${server && ` (${shorten(server)})`}: a proxy in front of it lets nobody pass`,
      ['llama-server itself never answers 403: allow this machine in the proxy, or go around it.'],
    );
  }
  if (/^(basic|digest)/i.test(authenticate)) {
    return found('proxy_password', 'a proxy in front of it wants a user and a password', [
      'Give the address of llama-server itself, or let the proxy pass this machine: only API keys are sent.',
    ]);
  }
  // Older builds list their models to everybody.
  const partly =
    models?.kind === 'said' && models.status === 200 ? 'lists its models to everybody, but ' : '';
  const doubt =
    isLlamaCpp(by) || by.body.includes('Invalid API Key')
      ? []
      : [`If this is no llama-server, the port is wrong: it says '${shorten(by.body)}'.`];
  if (hasKey) {
    return found('key_wrong', `it ${partly}does not accept the API key that is configured`, [
      "Compare with llama-server's --api-key or --api-key-file; mind spaces and quotes around it.",
      'Ours comes from LLAMA_API_KEY, LLAMA_API_KEY_FILE, or api_key or api_key_file of this router.',
      ...doubt,
    ]);
  }
  return found('key_missing', `it ${partly}wants an API key, and none is configured`, [
    'Give it in LLAMA_API_KEY, or write api_key_file: PATH under this router in the configuration file.',
    "It is the one of llama-server's --api-key or --api-key-file.",
    ...doubt,
  ]);
}
