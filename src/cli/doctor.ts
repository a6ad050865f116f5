import type { Command } from './command.ts';

export const doctor: Command = {
  name: 'doctor',
  summary: '',
  flags: [],
  configured: false,
  run: async () => 0,
};
