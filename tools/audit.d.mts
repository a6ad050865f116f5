interface Vulnerability {
  name: string;
  severity: string;
  nodes: string[];
  via: (string | { title: string; url: string })[];
}
export function verdictOf(
  report: {
    vulnerabilities?: Record<string, Vulnerability>;
    message?: string;
    error?: { summary?: string };
  },
  inProgram: readonly string[],
): { verdict: 'clean' | 'vulnerable' | 'not audited'; lines: string[] };
