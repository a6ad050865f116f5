const MODELS_LIGHT = ['#2f6fd6', '#0f8a6d', '#8a5cd6', '#c2571a', '#1b8aa8', '#b33c86', '#6c7f1c', '#7a5230'];
const MODELS_DARK = ['#6ea3ff', '#3fc79f', '#b794ff', '#f2935a', '#55c5e6', '#ee7fc3', '#b3c654', '#c99b73'];

const variables = (colours: readonly string[]) => colours.map((colour, i) => `--m${i}: ${colour};`).join(' ');
const fills = MODELS_LIGHT.map((_, i) => `.m${i} { fill: var(--m${i}); }`).join('\n');

/** The CSS of the page: light and dark, from 320 px, contrast of text at least 7 : 1. */
export const STYLE = `:root { color-scheme: light dark; --line: #d8dce2; --soft: #4a515a; --ground: #f6f7f9; --card: #fff;
  --ink: #1f2328; --track: #e4e8ed; --unowned: #8a939e; --press: #eef1f5;
  --green: #095d27; --blue: #054da7; --violet: #6035ae; --amber: #724700; --red: #a1121a; --grey: #4a515a;
  ${variables(MODELS_LIGHT)} }
@media (prefers-color-scheme: dark) { :root { --line: #2c333c; --soft: #acb5be; --ground: #0d1116; --card: #151a21;
  --ink: #e3e8ee; --track: #2a313a; --unowned: #7d8793; --press: #222932;
  --green: #56d364; --blue: #79b8ff; --violet: #c8a6ff; --amber: #f0b54a; --red: #ff988f; --grey: #acb5be;
  ${variables(MODELS_DARK)} } }
* { box-sizing: border-box; }
[hidden], html:not(.live) .act { display: none !important; }
body { margin: 0 auto; max-width: 84rem; padding: 1rem 1.5rem 3rem; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; }
main:focus { outline: none; }
header { display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: baseline; margin: 0 0 .75rem; }
small { color: var(--soft); font-size: .85rem; white-space: nowrap; }
header p { margin: 0; color: var(--soft); }
header #live { margin-left: auto; }
#live:empty { display: none; }
h1 { font-size: 1.25rem; margin: .25rem 0; }
h2 { font-size: 1.05rem; margin: 0; overflow-wrap: anywhere; }
section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem 1.25rem;
  margin: 0 0 1rem; }
section > p { color: var(--soft); margin: .15rem 0 .6rem; overflow-wrap: anywhere; }
.everywhere { text-align: right; margin: 0 0 .75rem; }
.head { display: flex; justify-content: space-between; align-items: center; gap: 1rem; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .5rem .75rem .5rem 0; border-top: 1px solid var(--line); vertical-align: middle; }
thead th { color: var(--soft); font-weight: 500; font-size: .85rem; border-top: 0; vertical-align: bottom; }
tbody th { font-weight: 600; overflow-wrap: anywhere; min-width: 8rem; }
th:last-child, td:last-child { padding-right: 0; }
td:is([data-label=Models], [data-label=Note]) { overflow-wrap: anywhere; }
td:is([data-label=For], [data-label="GPU memory"], [data-label=Resident]), .whole { white-space: nowrap; }
td.act { text-align: right; }
td[data-label="In memory"] .badge { white-space: normal; overflow-wrap: anywhere; }
.badge { display: inline-block; border: 1px solid currentColor; border-radius: 1rem; padding: 0 .55rem;
  font-size: .8rem; font-weight: 500; white-space: nowrap; color: var(--grey); }
header p.up, .badge.up, .badge.loaded, .badge.success, .badge.unloaded:is(li *) { color: var(--green); }
.badge.loading, .badge.unloading, .badge.downloading, .badge.would_unload { color: var(--blue); }
.badge.sleeping { color: var(--violet); }
.badge.other, .badge.partial, .badge.busy, .badge.refused { color: var(--amber); }
header p.down, .badge.down, .badge.failed, .badge.timeout, .badge.forced, .fault { color: var(--red); }
section > p.fault { color: var(--red); }
section > p.hold { color: var(--amber); }
figure { margin: .75rem 0 0; }
figcaption { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 1.5rem; color: var(--soft); }
figcaption strong { color: var(--ink); }
.bar { display: block; width: 100%; height: 1.25rem; margin: .35rem 0 .5rem; border-radius: .3rem; background: var(--track); }
.bar rect { stroke: var(--card); stroke-width: 2; vector-effect: non-scaling-stroke; }
.legend { display: flex; flex-wrap: wrap; gap: .15rem 1.25rem; margin: 0; padding: 0; list-style: none;
  font-size: .9rem; overflow-wrap: anywhere; }
.legend b { font-weight: 500; color: var(--soft); white-space: nowrap; }
.key { width: .7rem; height: .7rem; margin-right: .45rem; border-radius: .15rem; }
${fills}
.router { fill: var(--unowned); opacity: 0.6; }
.unowned { fill: var(--unowned); }
.free { fill: var(--track); }
button { font: inherit; font-size: .875rem; color: var(--ink); background: var(--card); border: 1px solid var(--soft);
  border-radius: .4rem; padding: .2rem .75rem; min-height: 2rem; white-space: nowrap; cursor: pointer; }
button:hover { background: var(--press); }
:focus-visible { outline: 3px solid var(--blue); outline-offset: 2px; }
dialog { width: min(38rem, calc(100vw - 2rem)); max-height: calc(100vh - 2rem); color: inherit; background: var(--card);
  border: 1px solid var(--line); border-radius: .75rem; padding: 1.25rem 1.5rem; }
dialog::backdrop { background: rgb(0 0 0 / .5); }
dialog p { margin: .6rem 0; }
dialog p:empty { display: none; }
dialog ul { list-style: none; margin: .75rem 0; padding: 0; max-height: 40vh; overflow: auto; }
dialog li { padding: .3rem 0; color: var(--soft); overflow-wrap: anywhere; }
dialog li span + b + span { display: block; font-size: .9rem; }
dialog li b { color: var(--ink); font-weight: 600; }
dialog label { display: block; }
fieldset { border: 1px solid var(--line); border-radius: .4rem; margin: .75rem 0; padding: .4rem 1rem .6rem; }
legend { color: var(--soft); padding: 0 .3rem; }
#ask-hold label { display: inline; }
input[type=password] { width: 100%; margin-top: .25rem; }
input[type=password], select { font: inherit; color: inherit; background: var(--ground); border: 1px solid var(--soft);
  border-radius: .4rem; padding: .35rem .6rem; max-width: 100%; }
#token-hint { color: var(--soft); font-size: .875rem; }
.buttons { display: flex; flex-wrap: wrap-reverse; justify-content: flex-end; gap: .75rem; }
dialog p.buttons { margin: 1rem 0 0; }
#ask-confirm { background: var(--ink); border-color: var(--ink); color: var(--card); font-weight: 600; }
footer nav { display: flex; flex-wrap: wrap; gap: .5rem 1.25rem; margin-top: 1.5rem; font-size: .9rem; }
a { color: var(--blue); }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (max-width: 62rem) {
  body { padding: .75rem .75rem 2rem; }
  section { padding: .85rem .9rem; }
  .head { flex-wrap: wrap; gap: .35rem 1rem; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table, tbody { display: block; }
  tr { display: grid; grid-template-columns: 1fr auto; gap: 0 1rem; padding: .6rem 0; border-top: 1px solid var(--line); }
  tbody th, td { display: block; border: 0; padding: 0; }
  tbody th { grid-column: 1; }
  td { grid-column: 1 / -1; }
  td.act { grid-column: 2; grid-row: 1; }
  td:empty, tbody tr td.act:empty { display: none; }
  td[data-label] { padding-left: 6.75rem; text-indent: -6.75rem; }
  td[data-label]::before { content: attr(data-label); display: inline-block; width: 6.75rem; text-indent: 0;
    color: var(--soft); font-size: .85rem; }
  td > * { text-indent: 0; }
  td:is([data-label=Status], [data-label=Models], [data-label=Note]) { padding: 0 0 .25rem; text-indent: 0; }
  td:is([data-label=Status], [data-label=Models], [data-label=Note])::before { content: none; }
}
`;
