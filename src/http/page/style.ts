/** The page's style sheet: light and dark, one column of tables, contrast of at least 4.5 : 1. */
export const STYLE = `:root { color-scheme: light dark; --line: #d0d4da; --soft: #57606a; --ground: #fff; --ink: #1f2328;
  --green: #0a6b2d; --blue: #0550ae; --violet: #6639ba; --amber: #7d4e00; --red: #b3141d; --grey: #57606a; }
@media (prefers-color-scheme: dark) { :root { --line: #343b44; --soft: #9aa4b0; --ground: #0f1318; --ink: #e3e8ee;
  --green: #56d364; --blue: #79b8ff; --violet: #c8a6ff; --amber: #f0b54a; --red: #ff8a80; --grey: #9aa4b0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1rem 1.25rem 3rem; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
header { display: flex; gap: 1rem; align-items: baseline; border-bottom: 1px solid var(--line); }
header p, section > p { color: var(--soft); margin: 0 0 .75rem; }
h1 { font-size: 1.25rem; margin: .5rem 0; }
h2 { font-size: 1.1rem; margin: 1.75rem 0 .25rem; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .4rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
tbody th { font-weight: 500; overflow-wrap: anywhere; }
thead th { color: var(--soft); font-weight: 500; font-size: .85rem; }
.badge { border: 1px solid currentColor; border-radius: 1rem; padding: 0 .55rem; font-size: .8rem; font-weight: 500;
  white-space: nowrap; color: var(--grey); }
.badge.up, .badge.loaded { color: var(--green); }
.badge.loading, .badge.downloading { color: var(--blue); }
.badge.sleeping { color: var(--violet); }
.badge.other, .badge.not { color: var(--amber); }
.badge.down, .badge.failed, .fault { color: var(--red); }
section > p.fault { color: var(--red); }
section > p.hold { color: var(--amber); }
footer nav { display: flex; flex-wrap: wrap; gap: 1.25rem; margin-top: 2rem; }
a { color: var(--blue); }
`;
