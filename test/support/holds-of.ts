import type { HoldView } from '../../src/http/view-schemas.ts';

/** The holds that stand, from the API of a running exporter. */
export async function holdsOf(url: string): Promise<HoldView[]> {
  const answer = await fetch(`${url}/api/v1/holds`);
  return ((await answer.json()) as { holds: HoldView[] }).holds;
}

/** Releases every hold; `headers` may have a token. Answers how many there were. */
export async function releaseAll(url: string, headers: Record<string, string> = {}): Promise<number> {
  const holds = await holdsOf(url);
  for (const { id } of holds) {
    const { status } = await fetch(`${url}/api/v1/holds/${id}`, { method: 'DELETE', headers });
    if (status !== 200) throw new Error(`the release of ${id} was answered by ${status}`);
  }
  return holds.length;
}
