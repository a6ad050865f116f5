import type { Listing, RouterAnswer, RouterEvent, RouterProps, StreamEnd } from '../models/feed.ts';
import type { BuildClass, StreamState } from '../models/router-state.ts';
import type { ServerTraits } from '../models/server-traits.ts';

/** The server's answer to an order. `unsupported`: it has no such order. */
export type OrderAnswer = 'accepted' | 'unknown_model' | 'unsupported';

/** `accepted` only acknowledges the order; `gone`: the server answers when the model's process has ended. */
export type UnloadAnswer = OrderAnswer | 'gone' | 'not_running';

/** `full`: every place of `--models-max` is taken by a model that is busy or loading. */
export type LoadAnswer = OrderAnswer | 'already_running' | 'full';

/** Why a model answers nothing: `disabled` holds for all models of the server, `none` for this process alone. */
export type NoAnswer = { kind: 'not_loaded' | 'disabled' } | { kind: 'none'; why: string };

/** A model's own metrics, or why there are none. */
export type EngineMetrics = { kind: 'text'; text: string } | NoAnswer;

/** How many slots of a model are generating, or why that is unknown. */
export type EngineSlots = { kind: 'slots'; processing: number } | NoAnswer;

/**
 * One server of any kind as typed calls. No call throws; each ends within its timeout, and soon after its signal
 * aborts. None but `load` loads a model.
 */
export interface Backend {
  /** What the server can do. Those of llama.cpp's router until a server of unknown kind has answered. */
  readonly traits: ServerTraits;
  list(signal: AbortSignal): Promise<RouterAnswer<Listing>>;
  props(signal: AbortSignal): Promise<RouterAnswer<RouterProps>>;
  /** What a build means for the exporter, by its properties and its event stream. */
  classify(build: string | undefined, stream: StreamState): BuildClass;
  /** Calls `opened` once the event stream is connected, then `event` for each event; resolves when it has ended. */
  follow(signal: AbortSignal, opened: () => void, event: (event: RouterEvent) => void): Promise<StreamEnd>;
  unload(model: string, signal: AbortSignal): Promise<RouterAnswer<UnloadAnswer>>;
  /** On a full router, the answer comes when another model has been evicted. */
  load(model: string, signal: AbortSignal): Promise<RouterAnswer<LoadAnswer>>;
  /** Runs work that ends with an order while no other such work runs. */
  exclusive<T>(work: () => Promise<T>): Promise<T>;
  /** A model's requests under way or waiting, where that is known without asking; else undefined. */
  inFlight(model: string): number | undefined;
  metrics(model: string, signal: AbortSignal): Promise<RouterAnswer<EngineMetrics>>;
  /** May wake the model and keep it awake: only for a model that is about to be unloaded. */
  slots(model: string, signal: AbortSignal): Promise<RouterAnswer<EngineSlots>>;
  close(): Promise<void>;
}
