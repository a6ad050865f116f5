import type { Card, GpuPool, LostCard } from './reading.ts';

/** What a source found: its pools, and the cards that its driver could not reach. */
interface Found {
  collector: string;
  pools: readonly GpuPool[];
  lost?: readonly LostCard[];
}

/** Remembers the cards of this machine: one that was seen and gives no values any more is lost. */
export function createCards() {
  const known = new Map<string, Card>();
  return {
    /** The cards of a source whose reading did not fail. */
    observe({ collector, pools, lost = [] }: Found): Card[] {
      for (const { gpu, uuid, name, pciAddress } of [...pools, ...lost.map(asCard)]) {
        const before = find({ uuid, pciAddress });
        if (before === undefined) known.set(uuid, { collector, gpu, uuid, name, pciAddress });
      }
      const own = [...known.values()].filter((card) => card.collector === collector);
      return own.map((card) => ({ ...card, lost: lossOf(card, pools, lost) }));
    },
  };

  function find(wanted: Pick<Card, 'uuid' | 'pciAddress'>): Card | undefined {
    return [...known.values()].find((card) => isCard(card, wanted));
  }
}

/** The fault of a source with lost cards; undefined if it has none. */
export function faultOfLost(cards: readonly Card[]): string | undefined {
  const lost = cards.flatMap(({ lost: reason, gpu, name, uuid }) =>
    reason === undefined ? [] : [`GPU ${[gpu, name, `(${uuid})`].join(' ').trim()} is lost: ${reason}`],
  );
  return lost.length === 0 ? undefined : lost.join('; ');
}

function lossOf(card: Card, pools: readonly GpuPool[], lost: readonly LostCard[]): string | undefined {
  if (pools.some((pool) => isCard(card, pool))) return undefined;
  return lost.find((each) => isCard(card, each))?.reason ?? 'the driver does not list it any more';
}

/** By uuid or address: a failing card may have lost its uuid. */
function isCard(
  card: Card,
  { uuid, pciAddress }: { uuid?: string | undefined; pciAddress?: string | undefined },
) {
  return card.uuid === uuid || (pciAddress !== undefined && card.pciAddress === pciAddress);
}

/** What is known of a card that was never seen to work. */
function asCard({ gpu = '', uuid, name = '', pciAddress = '' }: LostCard) {
  return { gpu, uuid: uuid ?? pciAddress, name, pciAddress };
}
