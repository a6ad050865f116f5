import type { Response } from 'express';
import { matchesGlob } from '../../lib/glob.ts';
import type { Caller } from '../../unload/request.ts';
import { ProblemError } from '../problem.ts';

/** A caller with write access, and its scope. */
export interface Permit {
  readonly caller: Caller;
  /** Globs of the routers in scope; empty: all. */
  readonly routers: readonly string[];
  readonly dryRunOnly: boolean;
}

/** What a request acts on. */
export interface Scope {
  /** Names of routers; empty: all. */
  readonly routers: readonly string[];
  readonly dryRun: boolean;
}

/** What `requireWrite` leaves in `response.locals` for the routes behind it. */
export interface Locals {
  permit: Permit;
  /** Reports a refusal by a route. */
  refused(why: string): void;
}

/** The permit of a request that passed `requireWrite`. */
export function permitOf(response: Response): Permit {
  const { permit } = response.locals as Partial<Locals>;
  if (permit === undefined) throw new Error('this route needs requireWrite in front of it');
  return permit;
}

/** Throws a 403 and reports it when the request exceeds the permit. */
export function demandScope(response: Response, scope: Scope): void {
  const why = exceeds(permitOf(response), scope);
  if (why === undefined) return;
  (response.locals as Locals).refused(why);
  throw new ProblemError(403, 'Forbidden', `Refused: ${why}.`);
}

/** Why a request exceeds a permit; undefined when it does not. */
export function exceeds(permit: Permit, { routers, dryRun }: Scope): string | undefined {
  const { caller, dryRunOnly } = permit;
  if (dryRunOnly && !dryRun) return `'${caller.name}' may only request dry runs`;
  if (permit.routers.length === 0) return undefined;
  const limits = `'${caller.name}' is limited to the routers ${permit.routers.join(', ')}`;
  if (routers.length === 0) return `${limits}: name the routers`;
  const beyond = routers.filter((router) => !permit.routers.some((glob) => matchesGlob(glob, router)));
  return beyond.length === 0 ? undefined : `${limits}, which excludes ${beyond.join(', ')}`;
}
