import { writeFileSync } from 'node:fs';
import UPNG from 'upng-js';

/** Writes a PNG with 256 colours, a third of the size. */
export function writePicture(path, png) {
  const image = UPNG.decode(png);
  const pixels = UPNG.toRGBA8(image).slice(0, 1);
  writeFileSync(path, Buffer.from(UPNG.encode(pixels, image.width, image.height, 256)));
}
