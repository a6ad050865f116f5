/** Bytes as text: `811 B`, `303.8 KiB`, `4.7 GiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1023.95 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/**
 * Whole bytes of `8589934592`, `8GiB`, `1.5 GB` or `8.589934592e+09` (a number in a Prometheus template); undefined
 * for anything else, also for `8G`, which may mean 1000³ or 1024³.
 */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?(?:e\+?\d{1,2})?)\s*(?:([kmgt])(i?)b|b?)$/i.exec(text.trim());
  if (match === null) return undefined;
  const [, amount, prefix = '', binary] = match;
  const power = ['', 'k', 'm', 'g', 't'].indexOf(prefix.toLowerCase());
  const bytes = Math.ceil(Number(amount) * (binary ? 1024 : 1000) ** power);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
