// Preloaded into the exporter (`node --import`): its system clock is set every few seconds, forward and back by up to a year.
const YEAR_MS = 365 * 24 * 3600 * 1000;
const OFFSETS = [0, YEAR_MS, -YEAR_MS, 3600_000, -60_000];
const EVERY_MS = 7000;

const RealDate = Date;
const now = () => RealDate.now() + (OFFSETS[Math.floor(performance.now() / EVERY_MS) % OFFSETS.length] ?? 0);

globalThis.Date = /** @type {DateConstructor} */ (
  new Proxy(RealDate, {
    construct: (_, given) => Reflect.construct(RealDate, given.length === 0 ? [now()] : given),
    get: (_, name) => (name === 'now' ? now : Reflect.get(RealDate, name)),
  })
);
