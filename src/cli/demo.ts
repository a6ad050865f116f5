import type { Command } from './command.ts';

export const demo: Command = { name: 'demo', summary: '', flags: [], configured: false, run: async () => 0 };
