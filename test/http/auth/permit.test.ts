import { expect, it } from '@jest/globals';
import { type Permit, permits, type Scope, withinScope } from '../../../src/http/auth/permit.ts';

const everything: Permit = { caller: { name: 'alice' }, routers: [], dryRunOnly: false };
const gpus: Permit = { ...everything, routers: ['gpu-*', 'attic'] };
const curious: Permit = { ...everything, dryRunOnly: true };

const LIMITS = "'alice' is limited to the routers gpu-*, attic";

it.each<[string, Permit, Scope, string | undefined]>([
  ['everything for one without limits', everything, { routers: [], dryRun: false }, undefined],
  ['any router for one without limits', everything, { routers: ['x'], dryRun: false }, undefined],
  ['its own routers', gpus, { routers: ['gpu-1', 'attic'], dryRun: false }, undefined],
  [
    'another router',
    gpus,
    { routers: ['gpu-1', 'cellar', 'x'], dryRun: false },
    `${LIMITS}, and not cellar, x`,
  ],
  ['all routers', gpus, { routers: [], dryRun: false }, `${LIMITS}: name the ones that are meant`],
  ['a dry run on another router', gpus, { routers: ['x'], dryRun: true }, `${LIMITS}, and not x`],
  ['a dry run', curious, { routers: [], dryRun: true }, undefined],
  ['more than a dry run', curious, { routers: [], dryRun: false }, "'alice' may only ask for dry runs"],
])('answers %s', (_, permit, scope, why) => {
  expect(withinScope(permit, scope)).toBe(why);
});

it.each<[Permit, string, boolean]>([
  [everything, 'x', true],
  [gpus, 'gpu-1', true],
  [gpus, 'attic', true],
  [gpus, 'attic-2', false],
  [curious, 'x', true],
])('%j permits %s: %s', (permit, router, permitted) => {
  expect(permits(permit, router)).toBe(permitted);
});
