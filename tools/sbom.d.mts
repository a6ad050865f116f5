export interface Locked {
  version: string;
  license: string;
  integrity: string;
  dependencies?: Record<string, string>;
}
export function billOfMaterials(
  product: { name: string; version: string; description: string; license: string },
  folders: readonly string[],
  locked: Readonly<Record<string, Locked>>,
  release?: { time?: string; repository?: string; node?: string },
): unknown;
