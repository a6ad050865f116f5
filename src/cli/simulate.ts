import type { Command } from './command.ts';

export const simulate: Command = {
  name: 'simulate',
  summary: '',
  flags: [],
  configured: false,
  run: async () => 0,
};
