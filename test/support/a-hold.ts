import type { Hold, HoldRequest } from '../../src/hold/hold.ts';

/** A request by alice to hold gpu-box until this monotonic time, except for the given fields. */
export function aHoldRequest(until: number, given: Partial<HoldRequest> = {}): HoldRequest {
  return {
    routers: ['gpu-box'],
    holder: 'alice',
    by: { name: 'alice' },
    trigger: 'api',
    reason: 'training',
    until,
    unload: 'none',
    whenBusy: 'wait',
    restore: false,
    enforce: false,
    ...given,
  };
}

/** An active hold of alice on gpu-box until this monotonic time, except for the given fields. */
export function aHold(until: number, given: Partial<Hold> = {}): Hold {
  return {
    ...aHoldRequest(until),
    id: '4f1f2f0e-5a53-4d8b-9a5e-0d2f6f1f7c11',
    since: until - 600_000,
    state: 'active',
    ...given,
  };
}
