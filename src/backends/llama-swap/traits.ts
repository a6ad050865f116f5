import type { ServerTraits } from '../../models/server-traits.ts';

export const SWAP_TRAITS: ServerTraits = {
  kind: 'llama-swap',
  statuses: ['unloaded', 'loading', 'loaded', 'unloading', 'other'],
  evictsBy: 'rules',
  // While it stops one model, it answers no request to any other.
  unloadsAtOnce: 1,
  loads: false,
  activity: 'reported',
  remedies: {
    noUnload: {
      fact: 'does not know POST /api/models/unload',
      remedy: 'a proxy in front of llama-swap must let this path pass',
    },
    noLoad: {
      fact: 'has no order to load a model',
      remedy: 'llama-swap loads a model when a client sends it a request',
    },
    noActivity:
      'the event stream is not connected; let a proxy in front pass /api/events unbuffered, or unload with --when-busy force',
    noStatuses: 'it is not a llama-swap, or of an unknown version',
  },
};
