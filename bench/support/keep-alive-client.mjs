import { connect } from 'node:net';

/** A server that sends nothing in this time hangs. */
const TIMEOUT_MS = 60_000;

/**
 * One keep-alive connection to a server on this machine, for timing: the least that an HTTP client can do. It
 * takes answers with a Content-Length only, as all contestants send them, or without a body (204).
 * @param {number} port
 * @param {string} path
 * @param {number} status every answer must have
 */
export async function openClient(port, path = '/metrics', status = 200) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await new Promise((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  /** @type {Buffer[]} */
  let chunks = [];
  let received = 0;
  let expected = Number.POSITIVE_INFINITY;
  let startedAt = 0;
  let done = (/** @type {Answer} */ _answer) => {};
  let failed = (/** @type {Error} */ _error) => {};
  socket.on('data', (chunk) => {
    chunks.push(chunk);
    received += chunk.length;
    if (expected === Number.POSITIVE_INFINITY) expected = lengthOf(chunks, status);
    if (received < expected) return;
    done({ milliseconds: performance.now() - startedAt, bytes: received, chunks });
    socket.setTimeout(0);
  });
  socket.on('close', () => failed(closed()));
  socket.on('error', () => {});
  socket.on('timeout', () => socket.destroy());

  const closed = () => new Error(`the server on port ${port} hangs or closed the connection`);
  return {
    /**
     * @param {'gzip' | 'identity'} encoding
     * @returns {Promise<Answer>}
     */
    get(encoding) {
      const request = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAccept: text/plain;version=0.0.4\r\nAccept-Encoding: ${encoding}\r\n\r\n`;
      chunks = [];
      received = 0;
      expected = Number.POSITIVE_INFINITY;
      return new Promise((resolve, reject) => {
        done = resolve;
        failed = reject;
        if (socket.destroyed) return reject(closed());
        socket.setTimeout(TIMEOUT_MS);
        startedAt = performance.now();
        socket.write(request);
      });
    },
    close: () => socket.destroy(),
  };
}

/** @typedef {{ milliseconds: number, bytes: number, chunks: Buffer[] }} Answer */

/**
 * The body of an answer that was not compressed.
 * @param {Answer} answer
 */
export function bodyOf({ chunks }) {
  const all = Buffer.concat(chunks);
  return all.subarray(all.indexOf('\r\n\r\n') + 4).toString('utf8');
}

/**
 * How long the whole answer is, head included; endless as long as its head is not complete.
 * @param {readonly Buffer[]} chunks
 * @param {number} status
 */
function lengthOf(chunks, status) {
  const first = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
  const end = first?.indexOf('\r\n\r\n') ?? -1;
  if (first === undefined || end < 0) return Number.POSITIVE_INFINITY;
  const head = first.toString('latin1', 0, end);
  if (!head.startsWith(`HTTP/1.1 ${status}`))
    throw new Error(`not an answer to measure: ${head.split('\r\n')[0]}`);
  if (status === 204) return end + 4;
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
  if (length === undefined) throw new Error('an answer without Content-Length cannot be measured');
  return end + 4 + Number(length);
}
