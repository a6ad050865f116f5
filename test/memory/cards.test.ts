import { describe, expect, it } from '@jest/globals';
import { createCards, faultOfLost } from '../../src/memory/cards.ts';
import type { GpuPool } from '../../src/memory/reading.ts';

const aPool = (gpu: string, uuid: string, more: Partial<GpuPool> = {}): GpuPool => {
  return { gpu, uuid, name: 'RTX', pool: 'vram', pciAddress: `0000:0${gpu}:00.0`, ...more };
};
const [ONE, TWO] = [aPool('0', 'GPU-1'), aPool('1', 'GPU-2')];
const lostOf = (cards: ReturnType<ReturnType<typeof createCards>['observe']>) =>
  cards.map(({ uuid, lost }) => [uuid, lost]);

describe('cards', () => {
  it('are lost once they are not listed any more, and back when they are', () => {
    const { observe } = createCards();
    const collector = 'nvidia-smi';
    expect(lostOf(observe({ collector, pools: [ONE, TWO] }))).toEqual([
      ['GPU-1', undefined],
      ['GPU-2', undefined],
    ]);
    const lost = observe({ collector, pools: [ONE] });
    expect(lostOf(lost)).toEqual([
      ['GPU-1', undefined],
      ['GPU-2', 'the driver does not list it any more'],
    ]);
    expect(faultOfLost(lost)).toBe('GPU 1 RTX (GPU-2) is lost: the driver does not list it any more');
    const back = observe({ collector, pools: [TWO, ONE] });
    expect([lostOf(back), faultOfLost(back)]).toEqual([
      [
        ['GPU-1', undefined],
        ['GPU-2', undefined],
      ],
      undefined,
    ]);
  });

  it('are all lost if the driver finds none of them', () => {
    const { observe } = createCards();
    observe({ collector: 'nvidia-smi', pools: [ONE, TWO] });
    expect(observe({ collector: 'nvidia-smi', pools: [] }).filter(({ lost }) => lost)).toHaveLength(2);
  });

  it('have the reason of the driver, which knows a card by its address', () => {
    const { observe } = createCards();
    const collector = 'nvidia-smi';
    observe({ collector, pools: [ONE, TWO] });
    const lost = [{ pciAddress: '0000:01:00.0', reason: 'GPU is lost' }];
    expect(lostOf(observe({ collector, pools: [ONE], lost }))).toEqual([
      ['GPU-1', undefined],
      ['GPU-2', 'GPU is lost'],
    ]);
  });

  it('are named as far as known if they never worked', () => {
    const { observe } = createCards();
    const lost = [{ pciAddress: '0000:0a:00.0', reason: 'GPU is lost' }];
    expect(observe({ collector: 'nvidia-smi', pools: [], lost })).toMatchObject([
      { gpu: '', uuid: '0000:0a:00.0', name: '', lost: 'GPU is lost' },
    ]);
  });

  it('with another uuid at the same address are not lost', () => {
    const { observe } = createCards();
    observe({ collector: 'nvidia-smi', pools: [ONE] });
    const renamed = aPool('0', '0000:00:00.0');
    expect(lostOf(observe({ collector: 'nvidia-smi', pools: [renamed] }))).toEqual([['GPU-1', undefined]]);
  });

  it('of other sources do not count', () => {
    const { observe } = createCards();
    observe({ collector: 'amdgpu', pools: [aPool('0', 'a', { pciAddress: undefined })] });
    expect(observe({ collector: 'nvidia-smi', pools: [] })).toEqual([]);
  });

  it('have several pools and count once', () => {
    const { observe } = createCards();
    const pools = [aPool('0', 'a'), aPool('0', 'a', { pool: 'gtt' })];
    expect(observe({ collector: 'amdgpu', pools })).toHaveLength(1);
  });
});
