/** Text that is already HTML. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Value = Html | Html[] | string | number;

/** A template whose values are escaped unless they are HTML themselves. */
export function html(strings: TemplateStringsArray, ...values: Value[]): Html {
  return new Html(strings.reduce((text, part, index) => text + textOf(values[index - 1] ?? '') + part));
}

function textOf(value: Value): string {
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(textOf).join('');
  return String(value).replace(/[&<>"']/g, (each) => `&#${each.charCodeAt(0)};`);
}

export interface Column<Row> {
  /** Narrow pages show it in front of each cell. */
  label: string;
  cell(row: Row): Html | string;
  /** A column of buttons, whose label is only for screen readers. */
  act?: true;
}

/** A table whose first column names the rows. Its roles remain where CSS changes how it is displayed. */
export function table<Row>(
  label: string,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  keyOf: (row: Row) => string,
): Html {
  return html`<table role="table" aria-label="${label}">
<thead role="rowgroup"><tr role="row">${columns.map(headOf)}</tr></thead>
<tbody role="rowgroup">
${rows.map((row) => html`<tr role="row" data-key="${keyOf(row)}">\n${columns.map((column, index) => cellOf(column, row, index))}</tr>\n`)}</tbody>
</table>
`;
}

function headOf({ label, act }: Column<never>): Html {
  return act
    ? html`<th scope="col" role="columnheader" class="act"><span class="unseen">${label}</span></th>`
    : html`<th scope="col" role="columnheader">${label}</th>`;
}

function cellOf<Row>({ label, act, cell }: Column<Row>, row: Row, index: number): Html {
  if (index === 0) return html`<th scope="row" role="rowheader">${cell(row)}</th>\n`;
  if (act) return html`<td role="cell" class="act">${cell(row)}</td>\n`;
  return html`<td role="cell" data-label="${label}">${cell(row)}</td>\n`;
}
