import type { Response } from 'express';
import { matchesGlob } from '../../lib/glob.ts';
import type { Caller } from '../../unload/request.ts';
import { ProblemError } from '../problem.ts';

/** Who acts, and how far that goes. */
export interface Permit {
  readonly caller: Caller;
  /** Globs of the routers that may be acted on; empty: all. */
  readonly routers: readonly string[];
  /** Only what would happen may be asked. */
  readonly dryRunOnly: boolean;
}

/** What somebody wants to act on. */
export interface Scope {
  /** Names of routers, not globs; empty: all there are. */
  readonly routers: readonly string[];
  readonly dryRun: boolean;
}

/** Whether the permit is for this router. */
export function permits({ routers }: Permit, router: string): boolean {
  return routers.length === 0 || routers.some((glob) => matchesGlob(glob, router));
}

/** Why what is asked for goes further than the permit; undefined when it does not. */
export function withinScope(permit: Permit, { routers, dryRun }: Scope): string | undefined {
  const { caller, dryRunOnly } = permit;
  if (dryRunOnly && !dryRun) return `'${caller.name}' may only ask for dry runs`;
  if (permit.routers.length === 0) return undefined;
  const limits = `'${caller.name}' is limited to the routers ${permit.routers.join(', ')}`;
  if (routers.length === 0) return `${limits}: name the ones that are meant`;
  const beyond = routers.filter((router) => !permits(permit, router));
  return beyond.length === 0 ? undefined : `${limits}, and not ${beyond.join(', ')}`;
}

/** The permit that `mayAct` gave this request. */
export function permitOf(response: Response): Permit {
  const { permit } = response.locals as Partial<Locals>;
  if (permit === undefined) throw new Error('a route that acts has no mayAct before it');
  return permit;
}

/** Answers 403, and tells whoever wants to know, when what is asked for goes further than the permit. */
export function demandScope(response: Response, scope: Scope): void {
  const why = withinScope(permitOf(response), scope);
  if (why === undefined) return;
  (response.locals as Locals).refused(why);
  throw new ProblemError({ status: 403, title: 'Forbidden', detail: `Refused: ${why}.` });
}

/** What `mayAct` leaves for the routes behind it. */
export interface Locals {
  permit: Permit;
  /** Tells of a refusal that a route decides. */
  refused(why: string): void;
}
