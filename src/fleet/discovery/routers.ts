import type { DiscoveryConfig, RouterConfig } from '../../config/schema.ts';
import type { DiscoveryTarget } from './targets.ts';

/** The discovered targets of one group. */
export interface DiscoveredGroup {
  readonly group: DiscoveryConfig;
  readonly targets: readonly DiscoveryTarget[];
}

/** A target that is not followed, and why. */
export interface IgnoredTarget {
  readonly group: string;
  readonly target: string;
  readonly why: string;
}

/**
 * The configured routers, then the discovered ones. A target whose name or URL is taken is ignored: two trackers of one
 * router would count everything twice.
 */
export function routersOf(
  configured: readonly RouterConfig[],
  discovered: readonly DiscoveredGroup[],
): { routers: readonly RouterConfig[]; ignored: readonly IgnoredTarget[] } {
  const routers = [...configured];
  const ignored: IgnoredTarget[] = [];
  const byName = new Map(routers.map((router) => [router.name, router]));
  const byUrl = new Map(routers.map((router) => [router.url, router]));
  for (const { group, targets } of discovered) {
    for (const { name, url, labels } of targets) {
      const [sameName, sameUrl] = [byName.get(name), byUrl.get(url)];
      if (sameName || sameUrl) {
        // The same router in two files or records is no problem.
        if (sameName === sameUrl) continue;
        const why = sameName ? `its name is used by ${sameName.url}` : `its URL is used by ${sameUrl?.name}`;
        ignored.push({ group: group.name, target: `${name} (${url})`, why });
        continue;
      }
      const { keep, api_key, local } = group;
      const router = { name, url, keep, api_key, local, labels: { ...group.labels, ...labels } };
      routers.push(Object.freeze(router));
      byName.set(name, router);
      byUrl.set(url, router);
    }
  }
  return { routers, ignored };
}
