const UNIT_MILLISECONDS = { w: 604_800_000, d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;
const UNITS = Object.keys(UNIT_MILLISECONDS) as (keyof typeof UNIT_MILLISECONDS)[];
/** Each unit at most once, larger units first: `30m1h` and `1m1m` are typing errors. */
const DURATION = new RegExp(`^${UNITS.map((unit) => `(?:(\\d+(?:\\.\\d+)?)${unit})?`).join('')}$`);

/** Seconds of a Prometheus duration (`30s`, `1h30m`, `500ms`, `0`); undefined for other texts. */
export function parseDuration(text: string): number | undefined {
  const trimmed = text.trim();
  if (trimmed === '0') return 0;
  const amounts = DURATION.exec(trimmed)?.slice(1);
  if (trimmed === '' || amounts === undefined) return undefined;
  // In milliseconds, because 1001 * 0.001 is not 1.001.
  const milliseconds = UNITS.map((unit, i) => Number(amounts[i] ?? 0) * UNIT_MILLISECONDS[unit]);
  return milliseconds.reduce((sum, part) => sum + part, 0) / 1000;
}

/**
 * Seconds as text: `350ms`, `4.2s`, `2m5s`, `3h10m`, `2d4h`, rounded to the two largest units. `parseDuration`
 * reads it back.
 */
export function formatDuration(seconds: number): string {
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)}ms`;
  if (seconds < 59.95) return `${Number(seconds.toFixed(1))}s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return pair(whole, 60, 'm', 1, 's');
  if (whole < 86_400) return pair(whole, 3600, 'h', 60, 'm');
  return pair(whole, 86_400, 'd', 3600, 'h');
}

function pair(whole: number, big: number, bigUnit: string, small: number, smallUnit: string): string {
  const rest = Math.floor((whole % big) / small);
  return `${Math.floor(whole / big)}${bigUnit}${rest > 0 ? `${rest}${smallUnit}` : ''}`;
}
