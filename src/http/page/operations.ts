import { formatBytes } from '../../lib/bytes.ts';
import { formatDuration } from '../../lib/duration.ts';
import type { Operation, RouterResult } from '../../unload/report.ts';
import { ago, describeOutcome, PENDING_WORD, RESULT_WORDS } from '../words.ts';
import { type Html, html } from './html.ts';

/** So many are shown; all that are remembered are at /api/v1/operations. */
const SHOWN = 8;

/** So many models of one result are named. */
const NAMED = 5;

/** What was done last, and what was refused. Dry runs did nothing. */
export function operationsSection(operations: readonly Operation[], now: number): Html | string {
  const real = operations.filter(({ dry_run }) => !dry_run).slice(0, SHOWN);
  if (real.length === 0) return '';
  const underWay = real.some(({ outcome }) => outcome === null);
  return html`<section data-key="operations"${underWay ? html` data-under-way` : ''}>
<h2>Last operations</h2>
<table role="table" aria-label="Last operations">
<thead role="rowgroup"><tr role="row">${['When', 'Asked by', 'Outcome', 'Models', 'Note'].map((label) => html`<th scope="col" role="columnheader">${label}</th>`)}</tr></thead>
<tbody role="rowgroup">
${real.map((operation) => row(operation, now))}</tbody>
</table>
</section>
`;
}

function row(operation: Operation, now: number): Html {
  const { id, trigger, caller, outcome, started_at, duration_seconds, reason, routers } = operation;
  const took = outcome === null || duration_seconds < 1 ? '' : `took ${formatDuration(duration_seconds)}`;
  const notes = [reason, took, ...routers.flatMap(notesOn)].filter((note) => note !== '');
  return html`<tr role="row" data-key="${id}">
<th scope="row" role="rowheader"><time datetime="${started_at}">${ago(Date.parse(started_at), now)}</time></th>
<td role="cell" data-label="Asked by">${caller.name === trigger ? trigger : `${caller.name} (${trigger})`}</td>
<td role="cell" data-label="Outcome"><span class="badge ${outcome ?? 'loading'}">${describeOutcome(outcome)}</span></td>
<td role="cell" data-label="Models">${resultsOf(operation).join('; ')}</td>
<td role="cell" data-label="Note">${notes.join('; ')}</td>
</tr>
`;
}

/** `unloaded qwen3-8b, gemma-3-27b`, one for each result there is. */
function resultsOf({ routers }: Operation): string[] {
  const groups = new Map<string, string[]>();
  for (const { models } of routers) {
    for (const { model, result } of models) {
      const word = result === null ? PENDING_WORD : RESULT_WORDS[result];
      groups.set(word, [...(groups.get(word) ?? []), model]);
    }
  }
  return [...groups].map(([word, models]) => {
    const more = models.length > NAMED ? ` and ${models.length - NAMED} more` : '';
    return `${word} ${models.slice(0, NAMED).join(', ')}${more}`;
  });
}

function notesOn({ router, memory, fault, refused }: RouterResult): string[] {
  return [
    ...(memory ? [`freed ${formatBytes(memory.freed_bytes)} on ${router}`] : []),
    ...(fault ? [`${router}: ${fault.message}`] : []),
    ...(refused ? [`${router}: ${refused.detail}`] : []),
  ];
}
