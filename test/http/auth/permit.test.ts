import { expect, it } from '@jest/globals';
import { exceeds, type Permit, type Scope } from '../../../src/http/auth/permit.ts';

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
    `${LIMITS}, which excludes cellar, x`,
  ],
  ['all routers', gpus, { routers: [], dryRun: false }, `${LIMITS}: name the routers`],
  ['a dry run on another router', gpus, { routers: ['x'], dryRun: true }, `${LIMITS}, which excludes x`],
  ['a dry run', curious, { routers: [], dryRun: true }, undefined],
  ['more than a dry run', curious, { routers: [], dryRun: false }, "'alice' may only request dry runs"],
])('%s', (_, permit, scope, why) => {
  expect(exceeds(permit, scope)).toBe(why);
});
