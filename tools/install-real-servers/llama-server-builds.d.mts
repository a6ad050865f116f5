/** A build of llama-server and how it behaves. */
export interface LlamaServerBuild {
  readonly name: string;
  /** It has `/models/sse`. */
  readonly eventStream: boolean;
  /** The project's own simulator, without event stream. */
  readonly isSimulated?: boolean;
  /** Reading a model's metrics leaves its idle timer alone. */
  readonly readsExempt: boolean;
  /** It evicts a model that is generating, whose client gets an error, instead of waiting. */
  readonly evictsBusy?: boolean;
  /** It kills each model that it unloads or evicts at once, busy or not. */
  readonly killsAtOnce?: boolean;
}
export function buildNamed(name: string): LlamaServerBuild;
export function programOf(build: LlamaServerBuild): string;
