import type { Config } from '../config/schema.ts';
import type { WhenBusy } from '../config/when-busy.ts';
import type { Matcher } from '../lib/matcher.ts';

/** Which alerts are acted on, what they are about, and the most that they may ask for. */
export interface AlertRules {
  /** All must hold. */
  readonly matchers: readonly Matcher[];
  readonly routerLabel: string;
  /** Globs on the value of that label, and the router each is about. */
  readonly targets: readonly { readonly value: string; readonly router: string }[];
  readonly withoutRouter: 'all' | 'ignore';
  readonly whenBusy: WhenBusy;
  readonly whenBusyLimit: WhenBusy;
  /** 0: an alert may not have memory kept free. */
  readonly holdLimitMs: number;
  /** Globs on names. */
  readonly allowedRouters: readonly string[];
}

/** The section `alerts` of the configuration as rules. */
export function rulesOf(alerts: Config['alerts']): AlertRules {
  return {
    matchers: alerts.matchers,
    routerLabel: alerts.router_label,
    targets: alerts.routers,
    withoutRouter: alerts.without_router,
    whenBusy: alerts.when_busy,
    whenBusyLimit: alerts.when_busy_limit,
    holdLimitMs: alerts.hold_limit * 1000,
    allowedRouters: alerts.allowed_routers,
  };
}
