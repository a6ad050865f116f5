/**
 * A router, simulated or real, with its models 'tiny-a', 'tiny-b', 'tiny-c' (load fast), 'mid' (loads slower and
 * generates slowly enough to be caught busy) and 'broken' (fails to load), each run with a context of 256 tokens.
 */
export interface RouterUnderTest {
  readonly url: string;
  /** SIGKILL of its process. */
  crash(model: string): Promise<void>;
  /** The file in the models folder, as fast as the tiny ones; the caller then GETs `/models?reload=1`. */
  addModel(id: string): Promise<void>;
  removeModel(id: string): Promise<void>;
  stop(): Promise<void>;
}

export interface StartOptions {
  /** 0: no limit. */
  readonly modelsMax: number;
  readonly sleepIdleSeconds?: number;
  readonly apiKey?: string;
  /** Default true. */
  readonly metrics?: boolean;
  /** Of 'tiny-a'. */
  readonly aliases?: readonly string[];
  /** Of 'tiny-a'. */
  readonly tags?: readonly string[];
  /** How long 'mid' may take to stop when it is busy. */
  readonly stopTimeoutSeconds?: number;
}

export type StartRouter = (options: StartOptions) => Promise<RouterUnderTest>;

/** How long things may take: the real router counts in seconds, the simulated one in hundredths. */
export interface Patience {
  /** A whole number for the real router. */
  readonly sleepIdleSeconds: number;
  readonly stopTimeoutSeconds: number;
  /** How long to wait for what should come at once. */
  readonly seconds: number;
}
