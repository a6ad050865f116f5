import { describe, expect, it } from '@jest/globals';
import { createConfigSource } from '../../src/config/source.ts';
import { startMemory } from '../../src/memory/memory.ts';
import { createStore } from '../../src/models/store.ts';
import { measureBy } from '../../src/unload/measure.ts';
import { createOperations } from '../../src/unload/operations.ts';
import { aReading } from '../support/a-reading.ts';
import { aRequest } from '../support/a-request.ts';
import { createScriptedControl } from '../support/scripted-control.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

const CONFIG = createConfigSource({
  env: {},
  flags: { router: ['http://box'], 'memory.interval': '5s', 'memory.timeout': '3s' },
}).current;

/** A machine with one model, whose GPU driver takes `takesMs` to answer. The model holds 20 of 24 bytes. */
function unloadWhileReadingTakes(takesMs: number) {
  const clock = createSteppedClock();
  const store = createStore(clock, { reloadWindowMs: 600_000 });
  const control = createScriptedControl(clock, store, 'box', 'qwen');
  const memory = startMemory(
    {
      async measure() {
        const usedBytes = control.entry.state.models.get('qwen')?.lifecycle.status === 'loaded' ? 20 : 0;
        await new Promise<void>((resolve) => clock.after(takesMs, resolve));
        const gpu = { gpu: '0', uuid: 'a', name: 'RTX', pool: 'vram', totalBytes: 24, usedBytes } as const;
        return aReading({ at: clock.now(), here: ['box'], gpus: [gpu] });
      },
      intervalMs: 5000,
      timeoutMs: 3000,
    },
    clock,
  );
  const operations = createOperations({
    controls: () => [control],
    keep: () => [],
    clock,
    measure: measureBy(memory, () => CONFIG),
  });
  const reportAfter = async (ms: number) => {
    const { id } = operations.start(aRequest());
    await clock.advance(ms);
    return operations.get(id)?.routers[0];
  };
  return { clock, memory, operations, control, reportAfter };
}

describe('the memory that an unload freed', () => {
  const freed = { before_bytes: 20, after_bytes: 0, freed_bytes: 20 };
  const gone = { model: 'qwen', result: 'unloaded', seconds: 0.05 };

  it('is measured directly before and after', async () => {
    const { clock, reportAfter } = unloadWhileReadingTakes(100);
    await clock.advance(1000);
    expect(await reportAfter(250)).toEqual({ router: 'box', models: [gone], memory: freed });
  });

  it('delays unloads for two seconds at most when the driver is slow', async () => {
    const { clock, control, reportAfter } = unloadWhileReadingTakes(2900);
    await clock.advance(5000);
    expect((await reportAfter(2100))?.models).toEqual([gone]);
    expect(control.ordered).toEqual(['qwen']);
  });

  it('is reported once a slow driver has answered', async () => {
    const { clock, reportAfter } = unloadWhileReadingTakes(2900);
    await clock.advance(5000);
    expect(await reportAfter(7000)).toEqual({ router: 'box', models: [gone], memory: freed });
  });

  it('does not delay the end of the exporter', async () => {
    const { clock, memory, operations, reportAfter } = unloadWhileReadingTakes(2900);
    await clock.advance(5000);
    expect((await reportAfter(2100))?.models).toEqual([gone]);
    const ended = Promise.all([operations.stop(), memory.stop()]);
    await clock.advance(2900);
    await ended;
    expect(operations.list()[0]).toMatchObject({ outcome: 'success', routers: [{ models: [gone] }] });
    expect(operations.list()[0]?.routers[0]).not.toHaveProperty('memory');
  });
});
