import type { Card, GpuPool, LostCard } from './reading.ts';

/** What a source found: its pools, and the cards that its driver could not reach. */
interface Found {
  collector: string;
  pools: readonly GpuPool[];
  lost?: readonly LostCard[];
}

/** Remembers the cards of this machine: one that was seen and gives no values any more is lost. */
export function createCards() {
  const known: Card[] = [];
  return {
    /** The cards of a source whose reading did not fail. */
    observe({ collector, pools, lost = [] }: Found): Card[] {
      for (const { gpu, uuid, name, pciAddress } of [...pools, ...lost.map(asCard)]) {
        const isKnown = known.some((card) => isCard(card, { uuid, pciAddress }));
        if (!isKnown) known.push({ collector, gpu, uuid, name, pciAddress });
      }
      const own = known.filter((card) => card.collector === collector);
      return own.map((card) => ({ ...card, lost: lossOf(card, pools, lost) }));
    },
  };
}

/** The fault of a source with lost cards; undefined if it has none. */
export function faultOfLost(cards: readonly Card[]): string | undefined {
  const lost = cards.flatMap(({ lost: reason, gpu, name, uuid }) =>
    reason === undefined ? [] : [`GPU ${[gpu, name, `(${uuid})`].join(' ').trim()} is lost: ${reason}`],
  );
  return lost.length === 0 ? undefined : lost.join('; ');
}

/** A uuid that is empty, of zeros, or that several cards report does not identify a card: its address does. */
export function withIdentities<Pool extends Pick<GpuPool, 'gpu' | 'uuid' | 'pciAddress'>>(
  pools: readonly Pool[],
): Pool[] {
  return pools.map((pool) => {
    const { gpu, uuid, pciAddress } = pool;
    const isShared = pools.some((other) => other.uuid === uuid && other.gpu !== gpu);
    return /[1-9a-f]/i.test(uuid) && !isShared ? pool : { ...pool, uuid: pciAddress ?? gpu };
  });
}

function lossOf(card: Card, pools: readonly GpuPool[], lost: readonly LostCard[]): string | undefined {
  if (pools.some((pool) => isCard(card, pool))) return undefined;
  return lost.find((each) => isCard(card, each))?.reason ?? 'the driver does not list it any more';
}

/** By uuid or address: a failing card may have lost its uuid. */
function isCard(card: Card, { uuid, pciAddress }: Pick<LostCard, 'uuid' | 'pciAddress'>): boolean {
  return card.uuid === uuid || (pciAddress !== undefined && card.pciAddress === pciAddress);
}

/** What is known of a card that was never seen to work. */
function asCard({ gpu = '', uuid, name = '', pciAddress = '' }: LostCard) {
  return { gpu, uuid: uuid ?? pciAddress, name, pciAddress };
}
