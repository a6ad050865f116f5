import { type DescribedModel, metaOf } from './description.ts';

/** What the router says on its stream. Some events carry no `data`. */
export interface RouterEvent {
  readonly model: string;
  readonly event: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

/** A process was started for the model: to load it, or to download it. */
export function beginning(model: string, status: 'loading' | 'downloading'): RouterEvent {
  return { model, event: 'model_status', data: { status } };
}

/** `value` from 0 to 1. */
export function progressing(model: string, value: number): RouterEvent {
  const progress = { stages: ['text_model'], current: 'text_model', value };
  return { model, event: 'status_change', data: { status: 'loading', progress } };
}

/** The end of a load. The end of a wake says less: `woken`. */
export function loaded(model: DescribedModel, nowSeconds: number): RouterEvent {
  const info = {
    id: model.id,
    aliases: [model.id],
    tags: model.tags.toSorted(),
    object: 'model',
    architecture: { input_modalities: ['text'], output_modalities: ['text'] },
    created: nowSeconds,
    owned_by: 'llamacpp',
    meta: metaOf(model),
  };
  return { model: model.id, event: 'status_change', data: { status: 'loaded', info } };
}

export function woken(model: string): RouterEvent {
  return { model, event: 'status_change', data: { status: 'loaded' } };
}

export function asleep(model: string): RouterEvent {
  return { model, event: 'status_change', data: { status: 'sleeping' } };
}

export function unloaded(model: string, exitCode: number): RouterEvent {
  return { model, event: 'status_change', data: { status: 'unloaded', exit_code: exitCode } };
}

export function downloading(model: string, url: string, done: number, total: number): RouterEvent {
  return { model, event: 'download_progress', data: { progress: { [url]: { done, total } } } };
}

export function downloadEnded(model: string, ok: boolean): RouterEvent {
  return { model, event: ok ? 'download_finished' : 'download_failed' };
}

export function removed(model: string): RouterEvent {
  return { model, event: 'model_remove' };
}

export const listReloaded: RouterEvent = { model: '*', event: 'models_reload' };

/** The event as it goes over the wire. The router writes a whole progress as `1.0`, which JSON.stringify cannot. */
export function renderEvent(event: RouterEvent): string {
  return `data: ${JSON.stringify(event).replace(/"value":(\d)(?=}}}$)/, '"value":$1.0')}\n\n`;
}
