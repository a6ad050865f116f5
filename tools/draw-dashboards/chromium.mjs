/** How Debian's Chromium is started: the same pixels everywhere, and no scroll bars in pictures. */
export const CHROMIUM = {
  executablePath: '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--force-color-profile=srgb'],
};
