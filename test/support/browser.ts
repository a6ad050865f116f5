import { type Browser, chromium } from 'playwright-core';

/** Debian's; the only browser that the tests use. */
const CHROMIUM = '/usr/bin/chromium';

/** A browser without background traffic, with its own profile. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
