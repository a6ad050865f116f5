import type { Clock } from './clock.ts';

/** Resolves when the work is done, at the latest after `ms`: the work goes on then. */
export async function within(ms: number, work: Promise<unknown>, clock: Clock): Promise<void> {
  let cancel = () => {};
  const late = new Promise<void>((resolve) => {
    cancel = clock.after(ms, resolve);
  });
  await Promise.race([work, late]);
  cancel();
}
