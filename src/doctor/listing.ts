import { z } from 'zod';
import type { Reply, Said } from '../backends/llama-server/probe.ts';
import { parseJson, parseListing, parseProps } from '../backends/llama-server/schemas.ts';
import type { Listing, RouterProps } from '../models/feed.ts';
import { STATUSES } from '../models/status.ts';

/** A listing as the service reads it, and what only the doctor wants to know of it. */
export interface ReadListing extends Listing {
  /** How many entries have a status at all. */
  withStatus: number;
  /** Statuses that no build known to us has. */
  unknownStatuses: string[];
  /** Some model's command line holds `--metrics`. Without it, the environment may still turn them on. */
  metricsInArgs: boolean;
  /** `owned_by` of the first entry: look-alikes put their name there. */
  ownedBy: string;
}

const entries = z.object({
  data: z.array(
    z
      .object({
        status: z
          .preprocess(
            (value) => (typeof value === 'string' ? { value } : value),
            z.object({ value: z.string(), args: z.array(z.string()).catch([]) }),
          )
          .optional()
          .catch(undefined),
        owned_by: z.string().catch(''),
      })
      .catch({ owned_by: '' }),
  ),
});

/** The listing in a reply; undefined when it holds none. */
export function listingIn(reply: Reply | undefined): ReadListing | undefined {
  if (!isOk(reply)) return undefined;
  const body = parseJson(reply.body);
  const listing = parseListing(body);
  const raw = entries.safeParse(body).data?.data;
  if (!listing || !raw) return undefined;
  const statuses = raw.flatMap(({ status }) => status ?? []);
  const known: readonly string[] = STATUSES;
  return {
    ...listing,
    withStatus: statuses.length,
    unknownStatuses: [
      ...new Set(statuses.map(({ value }) => value).filter((value) => !known.includes(value))),
    ],
    metricsInArgs: statuses.some(({ args }) => args.includes('--metrics')),
    ownedBy: raw[0]?.owned_by ?? '',
  };
}

/** What a router tells of itself; undefined when it is none. */
export function routerPropsIn(reply: Reply | undefined): RouterProps | undefined {
  return isOk(reply) ? parseProps(parseJson(reply.body)) : undefined;
}

export function isOk(reply: Reply | undefined): reply is Said {
  return reply?.kind === 'said' && reply.status === 200;
}

/** Whether any llama.cpp server gave this reply: by its header, which proxies replace, or by its `/props`. */
export function isLlamaCpp(reply: Reply | undefined): boolean {
  if (reply?.kind !== 'said') return false;
  if (reply.server === 'llama.cpp') return true;
  const body = parseJson(reply.body);
  return typeof body === 'object' && body !== null && 'default_generation_settings' in body;
}
