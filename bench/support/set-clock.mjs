// Preloaded into an exporter (`NODE_OPTIONS=--import`): the file CLOCK_FILE says by how many milliseconds its wall clock is ahead.
import { readFileSync } from 'node:fs';

const RealDate = Date;
let ahead = 0;

globalThis.Date = class extends RealDate {
  /** @param {[]} given */
  constructor(...given) {
    super(...(given.length === 0 ? /** @type {[any]} */ ([RealDate.now() + ahead]) : given));
  }

  static now() {
    return RealDate.now() + ahead;
  }
};

setInterval(() => {
  ahead = Number(readFileSync(process.env.CLOCK_FILE ?? '', 'utf8'));
}, 50).unref();
