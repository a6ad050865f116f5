// Pictures of the exporter's page, wide and narrow.
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { CHROMIUM } from './chromium.mjs';
import { writePicture } from './picture.mjs';

const WIDTHS = { page: 1440, 'page-narrow': 320 };

/** Limits the height of pictures. */
const TALLEST = 1600;

/** Writes a picture to the folder `into` for each width and theme. */
export async function drawPages(url, into) {
  const browser = await chromium.launch(CHROMIUM);
  try {
    for (const [name, width] of Object.entries(WIDTHS)) {
      for (const colorScheme of ['dark', 'light']) {
        const page = await browser.newPage({ viewport: { width, height: 600 }, colorScheme });
        await page.goto(url);
        await page.getByText('live', { exact: true }).waitFor();
        const height = Math.min(await page.evaluate(() => document.documentElement.scrollHeight), TALLEST);
        await page.setViewportSize({ width, height });
        writePicture(join(into, `${name}-${colorScheme}.png`), await page.screenshot());
        await page.close();
      }
    }
  } finally {
    await browser.close();
  }
}
