import type { Format } from './render.ts';

/**
 * Which format a scraper prefers by its `Accept` header. OpenMetrics only when it is asked for by name in a
 * version we write (1.0.0, or none) and not less than plain text; everything else reads text 0.0.4.
 */
export function negotiateFormat(accept: string | undefined): Format {
  let openmetrics = 0;
  let text = 0;
  for (const entry of (accept ?? '').split(',')) {
    const [type = '', ...parameters] = entry.split(';').map((part) => part.trim().toLowerCase());
    const quality = Number(parameters.find((p) => p.startsWith('q='))?.slice(2) ?? 1) || 0;
    const version = parameters.find((p) => p.startsWith('version='))?.slice(8);
    if (type === 'application/openmetrics-text' && (version === undefined || version === '1.0.0')) {
      openmetrics = Math.max(openmetrics, quality);
    } else if (type === 'text/plain' || type === 'text/*' || type === '*/*') {
      text = Math.max(text, quality);
    }
  }
  return openmetrics > 0 && openmetrics >= text ? 'openmetrics' : 'text';
}
