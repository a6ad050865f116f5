/**
 * A llama-swap, simulated or real, with the models of `contractConfiguration`. Of these `tiny-*` load fast, `mid` and
 * `mid-pair` generate slowly enough to be caught busy, `broken` fails to load, `endless` never finishes to.
 */
export interface SwapUnderTest {
  readonly url: string;
  /** SIGKILL of a model's process. */
  crash(model: string): Promise<void>;
  /** Reads its configuration again. */
  reload(): Promise<void>;
  /** SIGKILL of llama-swap alone. */
  kill(): Promise<unknown>;
  /** Starts it again. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface SwapStartOptions {
  readonly apiKeys?: readonly string[];
}

export type StartSwap = (options: SwapStartOptions) => Promise<SwapUnderTest>;

/** How long things may take: the real one counts in seconds, the simulated one in hundredths. */
export interface SwapPatience {
  /** Of `tiny-ttl`. */
  readonly ttlSeconds: number;
  /** How long a busy model is given to stop. */
  readonly unloadTimeoutSeconds: number;
  /** How long to wait for what should come at once. */
  readonly seconds: number;
}

/** An id that has to be encoded in paths, with the slash of a repository. */
export const ODD_ID = 'org/model "8B" x:Q5 näme';

export const contractConfiguration = ({ ttlSeconds }: SwapPatience) => ({
  models: [
    { id: 'tiny-a', aliases: ['gpt-4o-mini', 'alias/with slash'], name: 'Tiny A', text: 'a tiny one' },
    { id: 'tiny-b' },
    { id: 'tiny-c' },
    { id: 'tiny-ttl', ttlSeconds },
    { id: 'hidden', unlisted: true, ttlSeconds: 300 },
    { id: ODD_ID },
    { id: 'mid' },
    { id: 'mid-pair' },
    { id: 'broken' },
    { id: 'endless' },
  ],
  groups: {
    pair: { members: ['tiny-a', 'tiny-b', 'mid-pair'], swap: true, exclusive: false },
    several: {
      members: ['tiny-c', 'tiny-ttl', 'hidden', 'mid', 'broken', 'endless'],
      swap: false,
      exclusive: false,
    },
    // The odd one is in no group: it unloads all others.
  },
  peers: { far: ['remote-model', 'org/remote'] },
  selectors: { any: ['tiny-b', 'tiny-c'] },
  profiles: { work: { pinned: 'tiny-a' } },
});
