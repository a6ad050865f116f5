import { Agent, get } from 'node:http';

/** Turns that are taken before the server must have answered again. */
const BATCH = 30;

/**
 * The fastest pace at which a server keeps up: turns are given out in batches, and after each one the server must answer a
 * request, which it does when it has read what came before.
 * @param {string} url
 * @param {() => boolean} isOver
 */
export function createPace(url, isOver) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  /** @type {((goesOn: boolean) => void)[]} */
  const waiting = [];
  let left = BATCH;
  let asking = false;
  return {
    /** Resolves with whether there is a turn, or all is over. @returns {Promise<boolean>} */
    turn: () =>
      new Promise((resolve) => {
        waiting.push(resolve);
        giveOut();
      }),
  };

  function giveOut() {
    if (isOver()) for (const resolve of waiting.splice(0)) resolve(false);
    while (left > 0 && waiting.length > 0) {
      left -= 1;
      waiting.shift()?.(true);
    }
    if (left > 0 || asking) return;
    asking = true;
    const next = () => {
      asking = false;
      left = BATCH;
      giveOut();
    };
    get(url, { agent }, (response) => response.resume().on('end', next)).on('error', () =>
      setTimeout(next, 100),
    );
  }
}
