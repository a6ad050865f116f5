import e2e from './jest.e2e.config.js';

/** With a real llama-swap, which `LLAMA_SWAP_BIN` names, and real llama-servers. */
export default {
  ...e2e,
  testMatch: ['<rootDir>/test/contract/llama-swap*.test.ts', '<rootDir>/test/llama-swap/**/*.test.ts'],
};
