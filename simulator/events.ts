import { type DescribedModel, metaOf } from './model-description.ts';

/** One event of `/models/sse`. Some events carry no `data`. */
export interface SimulatorEvent {
  readonly model: string;
  readonly event: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

export function statusChange(model: string, data: Record<string, unknown>): SimulatorEvent {
  return { model, event: 'status_change', data };
}

/** `value` from 0 to 1. */
export function progressing(model: string, value: number): SimulatorEvent {
  const progress = { stages: ['text_model'], current: 'text_model', value };
  return statusChange(model, { status: 'loading', progress });
}

/** The end of a load. The end of a wake carries no `info`. */
export function loaded(model: DescribedModel, nowSeconds: number): SimulatorEvent {
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
  return statusChange(model.id, { status: 'loaded', info });
}

export const listReloaded: SimulatorEvent = { model: '*', event: 'models_reload' };

/** The event as `/models/sse` writes it. */
export function messageOf(event: SimulatorEvent): string {
  // The router writes a whole progress as `1.0`, which JSON.stringify cannot.
  return `data: ${JSON.stringify(event).replace(/"value":(\d)(?=}}}$)/, '"value":$1.0')}\n\n`;
}
