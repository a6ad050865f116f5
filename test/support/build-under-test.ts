import { buildNamed } from '../../tools/install-real-servers/llama-server-builds.mjs';

/** What `startRealRouter` starts; `LLAMA_SERVER_BUILD` chooses another one than Debian sid's. */
export const buildUnderTest = buildNamed(process.env.LLAMA_SERVER_BUILD || 'sid');
