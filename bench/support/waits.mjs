import { setTimeout as sleep } from 'node:timers/promises';
import { openClient } from './keep-alive-client.mjs';

/**
 * Asks an exporter for `/-/healthy` all the time, to see how long something else blocks it.
 * @param {number} port
 */
export async function watchWaits(port) {
  const client = await openClient(port, '/-/healthy');
  let longest = 0;
  let over = false;
  const asking = (async () => {
    while (!over) {
      longest = Math.max(longest, (await client.get('identity')).milliseconds);
      await sleep(10);
    }
  })();
  return {
    /** The longest wait in milliseconds. */
    async stop() {
      over = true;
      await asking;
      client.close();
      return longest;
    },
  };
}
