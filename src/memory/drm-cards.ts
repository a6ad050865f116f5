import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../lib/error-code.ts';
import { failed, ok, type Result } from '../lib/result.ts';
import { isAbsence, readText } from './procfs.ts';

/** A graphics card as the kernel's DRM lists it. */
export interface DrmCard {
  /** N of /sys/class/drm/cardN. */
  gpu: string;
  folder: string;
  /** `0x1002` is AMD, `0x8086` Intel, `0x10de` NVIDIA. */
  vendor: string;
  driver: string;
  /** `0000:03:00.0`; the word of fdinfo for it is the same. */
  pciAddress: string;
  /** Vendor and device in hexadecimal, `1002:744C`. */
  pciId: string;
}

export const AMD = '0x1002';
export const INTEL = '0x8086';

/** The cards of one vendor. A machine without DRM has none; what cannot be read is a fault. */
export async function listDrmCards(sysfs: string, vendor: string): Promise<Result<DrmCard[], string>> {
  const root = join(sysfs, 'class/drm');
  let names: string[];
  try {
    names = await readdir(root);
  } catch (error) {
    return isAbsence(codeOf(error)) ? ok([]) : failed(`${root} cannot be read (${codeOf(error)})`);
  }
  const cards: DrmCard[] = [];
  // Connectors stand beside the cards: card0-DP-1.
  for (const name of names.filter((each) => /^card\d+$/.test(each)).sort()) {
    const folder = join(root, name, 'device');
    const own = await readText(join(folder, 'vendor'));
    if (!own.ok || own.value.trim() !== vendor) continue;
    const uevent = await readText(join(folder, 'uevent'));
    const of = (key: string) =>
      uevent.ok ? new RegExp(`^${key}=(.+)$`, 'm').exec(uevent.value)?.[1] : undefined;
    cards.push({
      gpu: name.slice('card'.length),
      folder,
      vendor,
      driver: of('DRIVER') ?? '',
      pciAddress: of('PCI_SLOT_NAME') ?? name,
      pciId: of('PCI_ID') ?? '',
    });
  }
  return ok(cards);
}

/** A figure of a card in a file of its own; absent when the driver has no such file. */
export async function readBytes(path: string): Promise<number | undefined> {
  const text = await readText(path);
  const digits = text.ok ? /^\s*(\d+|0x[0-9a-f]+)\s*$/i.exec(text.value)?.[1] : undefined;
  const bytes = Number(digits);
  return digits !== undefined && Number.isSafeInteger(bytes) ? bytes : undefined;
}
