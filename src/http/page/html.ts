/** Text that is already HTML. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Most values have none, and a test is faster than a replacement. */
const MARKUP = /[&<>"']/;
const EVERY_MARKUP = /[&<>"']/g;

type Value = Html | Html[] | string | number;

/** A template whose values are escaped unless they are HTML themselves. */
export function html(strings: TemplateStringsArray, ...values: Value[]): Html {
  return new Html(strings.reduce((text, part, index) => text + textOf(values[index - 1] ?? '') + part));
}

function textOf(value: Value): string {
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(textOf).join('');
  const text = String(value);
  return MARKUP.test(text) ? text.replace(EVERY_MARKUP, (each) => `&#${each.charCodeAt(0)};`) : text;
}
