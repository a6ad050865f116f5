/**
 * The event streams of a simulated router, which break as a network or a server breaks them. The ledger hears of it.
 * @param {import('./router-ledger.mjs').RouterLedger} ledger
 */
export function createStreams(ledger) {
  /** @type {import('node:http').ServerResponse | undefined} */
  let open;
  return {
    /**
     * The answer that opens a stream, as the simulator gives it.
     * @param {any} attach
     * @returns {(response: import('node:http').ServerResponse) => void}
     */
    keep: (attach) => (response) => {
      response.on('close', () => lost(response));
      open = response;
      ledger.streamOpened();
      attach(response);
    },
    end() {
      const stream = lost();
      stream?.end();
    },
    reset() {
      lost()?.socket?.resetAndDestroy();
    },
    /** Half an event, and no more. */
    half() {
      const stream = lost();
      stream?.write('data: {"model":"qwen3-8b","event":"status_ch');
      setTimeout(() => stream?.destroy(), 20);
    },
    /** The connection stays, but nothing comes through any more. */
    freeze() {
      const stream = lost();
      if (stream) stream.write = () => true;
    },
  };

  function lost(stream = open) {
    if (stream === undefined || stream !== open) return undefined;
    open = undefined;
    ledger.streamLost();
    return stream;
  }
}
