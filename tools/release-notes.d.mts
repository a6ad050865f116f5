export function releaseNotes(
  tag: string,
  versions: Readonly<Record<string, string>>,
  changelog: string,
): { notes: string; wrong?: undefined } | { notes?: undefined; wrong: string };
export function namedVersions(): Record<string, string>;
