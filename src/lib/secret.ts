import { inspect } from 'node:util';

/** A credential that cannot be printed by accident: every conversion to text gives `[secret]`. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
    Object.freeze(this);
  }

  /** The credential itself, for sending or comparing it. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}

/** A value as JSON that shows its secrets: only to find out whether they have changed. */
export function revealingJson(value: unknown): string {
  return JSON.stringify(value, function (this: Record<string, unknown>, key, shown) {
    const held = this[key];
    return held instanceof Secret ? held.reveal() : shown;
  });
}
