/** Unit, HTTP, property and fault tests: everything a laptop can run without other programs. */
export default {
  testEnvironment: 'node',
  // The default leaves one core idle, which is half of a small machine.
  maxWorkers: '100%',
  // Suites leave modules and asynchronous contexts behind in their process, which slow all later ones down.
  workerIdleMemoryLimit: '400MB',
  // Each test takes a moment. Longer than `until` waits, which then says what for.
  testTimeout: 60_000,
  roots: ['<rootDir>/test'],
  testSequencer: '<rootDir>/test/support/longest-first.mjs',
  testPathIgnorePatterns: [
    '/node_modules/',
    '<rootDir>/test/e2e/',
    '<rootDir>/test/gpu/',
    '<rootDir>/test/llama-swap/',
  ],
  testMatch: ['**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  injectGlobals: false,
  restoreMocks: true,
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2023', parser: { syntax: 'typescript' } }, module: { type: 'es6' } },
    ],
  },
};
