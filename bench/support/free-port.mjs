import { once } from 'node:events';
import { createServer } from 'node:net';

const FIRST = 20_000;
const BLOCKS = 120;
const BLOCK = 100;
let given = Math.floor(Math.random() * BLOCK);

/**
 * A free loopback port below the kernel's ephemeral range: while a server that is to come back on it is down, no outgoing
 * connection can be given that port. Each process has its own block, so that tests that run at the same time do not choose
 * the same port before a server listens on it.
 */
export async function freePort() {
  for (;;) {
    given += 1;
    const port = FIRST + (process.pid % BLOCKS) * BLOCK + (given % BLOCK);
    if (await isFree(port)) return port;
  }
}

/** @param {number} port */
async function isFree(port) {
  const probe = createServer();
  probe.listen(port, '127.0.0.1');
  try {
    await once(probe, 'listening');
  } catch {
    return false;
  }
  probe.close();
  await once(probe, 'close');
  return true;
}
