import { statSync } from 'node:fs';

/** Suites that take long for their size, by the end of their path. */
const LONG = [
  'e2e/abuse',
  'e2e/ledger',
  'e2e/schemathesis',
  'e2e/dashboards',
  'e2e/rules',
  'e2e/linux-packages',
  'e2e/arbiters',
  'e2e/contract',
  'e2e/policy',
  'e2e/sleep',
  'e2e/benches',
  'e2e/evictions',
  'http/fuzz',
  'http/openapi-walk',
  'test/service',
  'http/auth/actions',
  'doctor/doctor',
  'contract/llama-swap-story',
  'engine/service',
  'prometheus/rules',
];

/**
 * Jest's order of test files: long ones first, so that at the end no process waits long for another. A fresh checkout has
 * no durations; other than those above, suites take about as long as their files are.
 */
export default class LongestFirst {
  sort(tests) {
    const rank = ({ path }) => {
      const at = LONG.findIndex((end) => path.endsWith(`/${end}.test.ts`));
      return at >= 0 ? at : LONG.length;
    };
    const sizes = new Map(tests.map(({ path }) => [path, statSync(path).size]));
    return [...tests].sort(
      (one, other) => rank(one) - rank(other) || sizes.get(other.path) - sizes.get(one.path),
    );
  }

  /** With `--onlyFailures`, which needs the results of earlier runs. */
  allFailedTests() {
    return [];
  }

  cacheResults() {}
}
