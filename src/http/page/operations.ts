import type { Operation } from '../../unload/report.ts';
import { lastOf, tellOperation } from '../operation-words.ts';
import { type Html, html } from './html.ts';

/** What was done last, and what was refused. */
export function operationsSection(operations: readonly Operation[], now: number): Html | string {
  const last = lastOf(operations);
  if (last.length === 0) return '';
  const underWay = last.some(({ outcome }) => outcome === null);
  return html`<section data-key="operations"${underWay ? html` data-under-way` : ''}>
<h2>Last operations</h2>
<table role="table" aria-label="Last operations">
<thead role="rowgroup"><tr role="row">${['When', 'Asked by', 'Outcome', 'Models', 'Note'].map((label) => html`<th scope="col" role="columnheader">${label}</th>`)}</tr></thead>
<tbody role="rowgroup">
${last.map((operation) => row(operation, now))}</tbody>
</table>
</section>
`;
}

function row(operation: Operation, now: number): Html {
  const { when, askedBy, outcome, models, note } = tellOperation(operation, now);
  return html`<tr role="row" data-key="${operation.id}">
<th scope="row" role="rowheader"><time datetime="${operation.started_at}">${when}</time></th>
<td role="cell" data-label="Asked by">${askedBy}</td>
<td role="cell" data-label="Outcome"><span class="badge ${operation.outcome ?? 'loading'}">${outcome}</span></td>
<td role="cell" data-label="Models">${models}</td>
<td role="cell" data-label="Note">${note}</td>
</tr>
`;
}
