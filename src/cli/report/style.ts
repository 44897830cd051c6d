// The style sheet of the reports. Series of a chart have the classes s0 to s3, or muted.

export const STYLE = `
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --paper: #fff; --panel: #f4f6f9; --rule: #dde3ea;
  --muted: #a3afbf; --s0: #2563eb; --s1: #d9730d; --s2: #0f9d76; --s3: #9333ea; --good: #0a7d55; --bad: #b3421c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #9aa5b4; --paper: #12161c; --panel: #1b212a; --rule: #313a46;
  --muted: #667284; --s0: #6ea0ff; --s1: #f0a04b; --s2: #3ecf9f; --s3: #c084fc; --good: #46c99a; --bad: #f08a5d; } }
* { box-sizing: border-box; }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 72rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 0.4rem; }
h2 { font-size: 1.25rem; margin: 3rem 0 1rem; }
p { margin: 0 0 1rem; max-width: 48rem; }
.lead { color: var(--soft); margin-bottom: 1.5rem; overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: 0.75rem; margin: 0; }
.tiles div { background: var(--panel); border-radius: 8px; padding: 0.8rem 1rem; }
.tiles dt { color: var(--soft); font-size: 0.85rem; }
.tiles dd { margin: 0; font-size: 1.3rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.tiles small { display: block; color: var(--soft); font-size: 0.85rem; font-weight: 400; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1.5rem 3rem; align-items: center; }
figure { margin: 0; }
svg { display: block; width: 100%; height: auto; font-size: 12px; fill: var(--ink); overflow: visible; }
svg .title { font-size: 13px; font-weight: 600; }
svg .tick { fill: var(--soft); }
svg .value { font-variant-numeric: tabular-nums; }
.grid { stroke: var(--rule); }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.hit { fill: transparent; }
.muted { --series: var(--muted); } .s0 { --series: var(--s0); } .s1 { --series: var(--s1); } .s2 { --series: var(--s2); } .s3 { --series: var(--s3); }
polyline { stroke: var(--series); } rect, circle[class^="s"] { fill: var(--series); }
figcaption { display: flex; gap: 1.25rem; font-size: 0.9rem; padding-left: 48px; }
.swatch { background: var(--series); display: inline-block; width: 0.8em; height: 0.8em; margin-right: 0.45em; border-radius: 2px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 0.55rem 0.75rem; border-bottom: 1px solid var(--rule); }
thead th, thead td { color: var(--soft); font-size: 0.85rem; font-weight: 600; border-bottom-width: 2px; }
tbody th { font-weight: 500; }
.number { font-variant-numeric: tabular-nums; text-align: right; }
.better { color: var(--good); } .worse { color: var(--bad); }
.summaries { table-layout: fixed; min-width: 44rem; }
.summaries .from { width: 2.5rem; color: var(--soft); }
.summaries tr.dialogue td { border-bottom: 0; padding-bottom: 0; }
.note { background: var(--panel); border-left: 3px solid var(--s0); border-radius: 0 6px 6px 0; padding: 0.8rem 1rem; max-width: none; }
.example { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 1.25rem 2.5rem; }
.turns { list-style: none; margin: 0; padding: 0; }
.turns li { padding: 0.35rem 0; border-bottom: 1px solid var(--rule); }
.turns b { display: block; color: var(--soft); font-size: 0.8rem; font-weight: 600; }
.example dt { color: var(--soft); font-size: 0.85rem; }
.example dd { margin: 0 0 1rem; }
.example dd.after { border-left: 3px solid var(--s0); padding-left: 0.75rem; }
details summary { cursor: pointer; color: var(--soft); font-size: 0.9rem; }
details .turns { margin: 0.5rem 0 1rem; max-width: 48rem; }
pre { white-space: pre-wrap; margin: 0; font: inherit; }
ol { margin: 0; padding-left: 2.5rem; }
@media print { details { display: none; } .tiles div, .note { border: 1px solid var(--rule); } }
`;
