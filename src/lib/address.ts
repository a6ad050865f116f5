/**
 * The unit for limits per caller: an IPv4 address, or the /64 of an IPv6 address, because a client usually has a whole
 * /64.
 */
export function callerBlock(address: string | undefined): string {
  if (address === undefined) return 'unknown';
  const plain = address.replace(/%.*$/, '').toLowerCase();
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(plain)?.[1];
  if (mapped !== undefined) return mapped;
  return plain.includes(':') ? `${firstGroups(plain).join(':')}::/64` : plain;
}

/** The first four of the eight groups, with `::` expanded. */
function firstGroups(address: string): string[] {
  const [head = '', tail] = address.split('::');
  const [before = [], after = []] = [head, tail].map((part) => part?.match(/[^:]+/g) ?? []);
  const between = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  const all = [...before, ...Array<string>(between).fill('0'), ...after];
  return all.slice(0, 4).map((group) => group.replace(/^0+(?=.)/, ''));
}

/** Whether an address is a loopback address. */
export function isLoopbackAddress(address: string | undefined): boolean {
  if (address === undefined) return false;
  return address === '::1' || /^(::ffff:)?127\.\d+\.\d+\.\d+$/.test(address);
}
