import { copyFileSync, linkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cache } from '../../tools/install-real-servers/places.mjs';
import { bigShape, brokenModel, cachedModel, type ModelShape, midShape, tinyShape } from './gguf.ts';

/**
 * Puts `ID.gguf` into a router's models folder: a slow model of 104 MB when the id begins with `mid`, one of 410 MB
 * when it begins with `big`, one that cannot be loaded when it begins with `broken`, a tiny one otherwise.
 */
export function placeModel(folder: string, id: string): void {
  const shape = id.startsWith('mid') ? midShape : id.startsWith('big') ? bigShape : tinyShape;
  const source = cachedModel(join(cache, 'models', cacheName(shape)), shape);
  const target = join(folder, `${id}.gguf`);
  if (id.startsWith('broken')) writeFileSync(target, brokenModel(source));
  else linkOrCopy(source, target);
}

/** Named after what is in it, so that a changed shape is a new file and not a stale one. */
function cacheName(shape: ModelShape): string {
  return `${Object.values(shape).join('-')}.gguf`;
}

function linkOrCopy(source: string, target: string): void {
  try {
    linkSync(source, target);
  } catch {
    copyFileSync(source, target);
  }
}
