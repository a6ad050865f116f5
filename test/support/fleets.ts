import { createStore, type Store } from '../../src/models/store.ts';
import { aListing, begun, ended, listed, turned } from './a-model.ts';
import { addRouter } from './driven-router.ts';
import { createSteppedClock, type SteppedClock } from './stepped-clock.ts';

export interface ObservedFleet {
  store: Store;
  clock: SteppedClock;
}

/** No routers yet. The wall clock starts at 2023-11-14T22:13:20Z. */
export function anEmptyFleet(): ObservedFleet {
  const clock = createSteppedClock();
  return { store: createStore(clock, { reloadWindowMs: 600_000 }), clock };
}

/** A model id with every character that needs escaping somewhere. */
export const HOSTILE_ID = '<img src=x onerror="alert(1)">\\ \n{}=\',🦙';

/**
 * Three routers: `gpu-box` with a model in each status and a past, `attic` without an event stream and with little
 * to tell, `cellar` that is down. What is done to the store happens here and nowhere else, so `before` may listen.
 */
export function aBusyFleet(before: (observed: ObservedFleet) => void = () => {}): ObservedFleet {
  const observed = anEmptyFleet();
  const { store, clock } = observed;
  before(observed);

  const box = addRouter(store, 'gpu-box', 'http://gpu-box:8080');
  box.props({ modelsMax: 4, autoload: true, build: 'b11669-Debian' });
  box.stream('connected');
  const unloaded = (id: string) =>
    listed(id, 'unloaded', { facts: { source: 'models_dir', contextTokens: 8192 } });
  box.listed(
    aListing(
      unloaded('qwen3-8b'),
      unloaded('llama-70b'),
      unloaded('tiny'),
      listed('hub/model:Q4_K_M', 'downloading', { facts: { source: 'cache', quantization: 'Q4_K_M' } }),
      listed('broken', 'unloaded', { failed: true, aliases: ['b'] }),
      listed('strange', 'other'),
      listed(HOSTILE_ID, 'unloaded'),
    ),
  );
  box.event({
    name: 'download_progress',
    kind: 'download',
    model: 'hub/model:Q4_K_M',
    doneBytes: 3e9,
    totalBytes: 5e9,
  });

  const facts = {
    parameters: 8.2e9,
    sizeBytes: 4_900_000_000,
    contextTokens: 4096,
    quantization: 'Q4_K - Medium',
  };
  clock.jump(1000);
  box.event(begun('qwen3-8b'));
  clock.jump(2500);
  box.event(turned('qwen3-8b', 'loaded', { facts }));
  box.event(begun('tiny'));
  clock.jump(500);
  box.event(turned('tiny', 'loaded', { facts: { parameters: 77_760, sizeBytes: 311_040 } }));
  clock.jump(60_000);
  box.event(turned('tiny', 'sleeping'));
  clock.jump(1000);
  box.event(ended('qwen3-8b'));
  clock.jump(8000);
  box.event(begun('qwen3-8b'));
  clock.jump(2000);
  box.event(turned('qwen3-8b', 'loaded'));
  clock.jump(10_000);
  box.event(begun('llama-70b'));
  box.event(turned('llama-70b', 'loading', { progress: 0.25 }));

  const attic = addRouter(store, 'attic', 'http://attic:8080');
  attic.stream('unsupported');
  attic.state.pollingMs = 2000;
  attic.listed({ models: [listed('solo', 'loaded')], malformed: ['data[1]: it is no model'] });

  const cellar = addRouter(store, 'cellar', 'http://cellar:8080');
  cellar.listed(aListing(listed('lost', 'loaded', { facts: { sizeBytes: 1 } })));
  clock.jump(1000);
  cellar.failed({ kind: 'timeout', message: 'http://cellar:8080/models did not answer within 5 s' });
  return observed;
}
