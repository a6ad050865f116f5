import type { DiscoveryConfig } from '../../config/schema.ts';
import { failed, ok, type Result } from '../../lib/result.ts';
import { filesOf, textOf } from './files.ts';
import type { Names } from './names.ts';
import { type Target, targetAt, targetsOf } from './targets.ts';

/** What one look at a group came to. */
export interface Findings {
  readonly targets: readonly Target[];
  /** What could not be looked at, or not understood: there it is as it was. */
  readonly faults: readonly string[];
}

/** A group of routers that is looked for, again and again. */
export interface Group {
  look(): Promise<Findings>;
}

type Look = Result<readonly Target[], string>;

/**
 * Looks for the routers of a group. Each file and each name stands for itself: one that fails goes on telling what it
 * told last, one that is gone ends what it told.
 */
export function createGroup(config: DiscoveryConfig, names: Names): Group {
  const told = new Map<string, readonly Target[]>();
  return {
    async look() {
      const listings = await Promise.all(config.files.map(filesOf));
      const unlisted = listings.flatMap((listing) => (listing.ok ? [] : [listing.fault]));
      if (unlisted.length > 0) return findings(unlisted);
      const files = listings.flatMap((listing) => (listing.ok ? listing.value : []));
      const places = [...files.map(lookIntoFile), ...config.dns.map(lookUp)];
      const looks = new Map(await Promise.all(places));
      for (const place of told.keys()) if (!looks.has(place)) told.delete(place);
      for (const [place, look] of looks) if (look.ok) told.set(place, look.value);
      return findings([...looks.values()].flatMap((look) => (look.ok ? [] : [look.fault])));
    },
  };

  function findings(faults: readonly string[]): Findings {
    const targets = [...told.values()].flat();
    const most = config.max_routers;
    if (targets.length <= most) return { targets, faults };
    const fault = `${targets.length} routers are more than max_routers, ${most}: raise it if they are meant`;
    return { targets: targets.slice(0, most), faults: [...faults, fault] };
  }

  async function lookIntoFile(file: string): Promise<[string, Look]> {
    const text = await textOf(file);
    if (!text.ok) return [file, text];
    const targets = targetsOf(text.value, config);
    return [file, 'wrong' in targets ? failed(`${file} ${targets.wrong}`) : ok(targets.value)];
  }

  async function lookUp(name: string): Promise<[string, Look]> {
    const addresses = await names.addresses(name);
    if (!addresses.ok) return [name, addresses];
    const targets: Target[] = [];
    for (const address of addresses.value) {
      const target = targetAt(address, config);
      if ('wrong' in target) return [name, failed(`${name} ${target.wrong}`)];
      targets.push(target.value);
    }
    return [name, ok(targets)];
  }
}
