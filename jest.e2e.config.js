import unit from './jest.config.js';

/** End to end: real llama-server, Prometheus and Alertmanager processes, two suites at a time. */
export default {
  ...unit,
  testPathIgnorePatterns: ['/node_modules/'],
  testMatch: ['<rootDir>/test/e2e/**/*.test.ts'],
  globalSetup: '<rootDir>/test/e2e/global-setup.mjs',
  // Even on one core: they wait most of the time.
  maxWorkers: 2,
  workerIdleMemoryLimit: undefined,
  // For what hangs; a busy machine takes many times as long as an idle one.
  testTimeout: 300_000,
};
