// Preloaded into an exporter (`NODE_OPTIONS=--import`): the file CLOCK_FILE says by how many milliseconds its wall clock is ahead.
import { readFileSync } from 'node:fs';

const RealDate = Date;
let ahead = 0;

class AheadDate extends RealDate {
  /** @param {any[]} given */
  constructor(...given) {
    const [first = RealDate.now() + ahead, ...others] = given;
    super(.../** @type {[any]} */ ([first, ...others]));
  }

  /** @override */
  static now() {
    return RealDate.now() + ahead;
  }
}

globalThis.Date = /** @type {any} */ (AheadDate);

setInterval(() => {
  ahead = Number(readFileSync(process.env.CLOCK_FILE ?? '', 'utf8'));
}, 50).unref();
