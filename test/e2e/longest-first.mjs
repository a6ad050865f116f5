import { statSync } from 'node:fs';
import { basename } from 'node:path';

/** Suites that take long for their size. */
const LONG = [
  'abuse',
  'ledger',
  'schemathesis',
  'dashboards',
  'rules',
  'linux-packages',
  'arbiters',
  'contract',
  'policy',
  'sleep',
  'benches',
  'evictions',
];

/**
 * Jest's order of test files: long ones first, so that at the end no process waits long for another. A fresh checkout has
 * no durations; other than those above, suites take about as long as their files are.
 */
export default class LongestFirst {
  sort(tests) {
    const rank = ({ path }) => {
      const at = LONG.indexOf(basename(path, '.test.ts'));
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
