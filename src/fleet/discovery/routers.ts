import type { DiscoveryConfig, RouterConfig } from '../../config/schema.ts';
import type { Target } from './targets.ts';

/** A group and what was found of it. */
export interface Found {
  readonly group: DiscoveryConfig;
  readonly targets: readonly Target[];
}

/** A target that is not followed, and why. */
export interface Ignored {
  readonly group: string;
  readonly target: string;
  readonly why: string;
}

/**
 * Every router, each once: those of the configuration, then those that were found, in order. One whose name or address
 * is taken is ignored: two that watch one router would count everything twice.
 */
export function routersOf(
  configured: readonly RouterConfig[],
  found: readonly Found[],
): { routers: readonly RouterConfig[]; ignored: readonly Ignored[] } {
  const routers = [...configured];
  const ignored: Ignored[] = [];
  const names = new Map(routers.map((router) => [router.name, router]));
  const urls = new Map(routers.map((router) => [router.url, router]));
  for (const { group, targets } of found) {
    for (const target of targets) {
      const [sameName, sameUrl] = [names.get(target.name), urls.get(target.url)];
      // Told twice, by two files or two records: no news to anybody.
      if (sameName !== undefined && sameName === sameUrl) continue;
      if (sameName ?? sameUrl) {
        const why = sameName
          ? `its name is that of the router at ${sameName.url}`
          : `it is the router ${sameUrl?.name} again`;
        ignored.push({ group: group.name, target: `${target.name} (${target.url})`, why });
        continue;
      }
      const router = routerOf(group, target);
      routers.push(router);
      names.set(router.name, router);
      urls.set(router.url, router);
    }
  }
  return { routers, ignored };
}

function routerOf({ keep, api_key, local, labels }: DiscoveryConfig, target: Target): RouterConfig {
  const { name, url } = target;
  return Object.freeze({ name, url, keep, api_key, local, labels: { ...labels, ...target.labels } });
}
