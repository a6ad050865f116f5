/** What a browser says of the page that a request comes from. */
export interface Page {
  host: string | undefined;
  origin: string | undefined;
  secFetchSite: string | undefined;
}

/**
 * Whether a page of another site sends this from somebody's browser, which adds that somebody's credentials and
 * address. Programs send neither header.
 */
export function isCrossSite({ host, origin, secFetchSite }: Page): boolean {
  if (secFetchSite !== undefined && secFetchSite !== 'same-origin' && secFetchSite !== 'none') return true;
  return origin !== undefined && !isOriginOf(origin, host);
}

/** Whether it is the same host and port, where the port of the scheme may be written or not. */
function isOriginOf(origin: string, host: string | undefined): boolean {
  if (host === undefined || !URL.canParse(origin)) return false;
  const { protocol, host: named } = new URL(origin);
  const own = `${protocol}//${host}`;
  return named !== '' && URL.canParse(own) && new URL(own).host === named;
}
