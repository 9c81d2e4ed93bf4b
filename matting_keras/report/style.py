"""How the page looks: one sheet, light and dark, from a phone's width to a desk's."""

STYLE = """
:root { color-scheme: light dark; --paper: #fcfcfa; --card: #ffffff; --ink: #1c2326;
  --soft: #5b666b; --line: #dfe3e2; --fill: #2f7d73; --pale: #a9cfc9; --mark: #d8efe9; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14181a; --card: #1b2124; --ink: #e6eaea; --soft: #9aa6aa; --line: #313a3e;
    --fill: #5fb5a8; --pale: #33635c; --mark: #1f4a44; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body { margin: 0 auto; max-width: 1400px; padding: 2.5rem clamp(1rem, 3vw, 2.5rem) 4rem;
  background: var(--paper); color: var(--ink); overflow-wrap: anywhere;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
h1, h2, h3, h4, h5 { line-height: 1.25; font-weight: 650; margin: 0; }
h1 { font-size: clamp(1.6rem, 4vw, 2.2rem); letter-spacing: -.015em; }
h2 { font-size: 1.45rem; letter-spacing: -.01em; }
h3 { font-size: 1.05rem; margin: 2.2rem 0 .7rem; }
h4 { font-size: .95rem; margin: 0 0 .6rem; }
h5 { font-size: .85rem; margin: .9rem 0 .35rem; }
p { margin: .5rem 0; max-width: 72ch; }
a { color: var(--fill); text-underline-offset: .2em; }
small { font-size: .82em; font-weight: 400; color: var(--soft); }
.facts, .note, .legend { color: var(--soft); font-size: .88rem; }
.facts { display: flex; flex-wrap: wrap; gap: .1rem 1.2rem; margin: .4rem 0 1.2rem;
  max-width: none; }
.truths { margin: .8rem 0; padding: 0; list-style: none; max-width: 76ch; }
.truths li { border-left: 3px solid var(--pale); padding: .1rem 0 .1rem .9rem; }
.truths li + li { margin-top: .8rem; }
nav { margin: 1.4rem 0; }
nav ol { display: flex; flex-wrap: wrap; gap: .3rem 1.6rem; margin: .4rem 0; padding-left: 1.3rem; }
nav li { padding-right: .6rem; }
.model { border-top: 1px solid var(--line); margin-top: 3rem; padding-top: 2rem; }
.summary h2 { margin: 2.2rem 0 .8rem; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px;
  background: var(--card); }
table { border-collapse: separate; border-spacing: 0; width: 100%; font-size: .9rem;
  overflow-wrap: normal; font-variant-numeric: tabular-nums; }
th, td { padding: .5rem .75rem; text-align: right; white-space: nowrap; }
thead th { font-weight: 600; color: var(--soft); }
thead tr:last-child > * { border-bottom: 1px solid var(--line); }
tbody tr + tr > * { border-top: 1px solid var(--line); }
tr > :first-child { text-align: left; position: sticky; left: 0; background: var(--card);
  border-right: 1px solid var(--line); }
tbody th { font-weight: 600; white-space: normal; overflow-wrap: anywhere; min-width: 8.5rem;
  max-width: 20rem; }
tbody th small { display: block; }
th.part { text-align: left; font-weight: 500; font-size: .82rem; padding-bottom: 0; }
.edge, th.part { border-left: 1px solid var(--line); }
:first-child + .edge, :first-child + th.part { border-left: 0; }
mark { background: var(--mark); color: inherit; font-weight: 700; border-radius: 4px;
  padding: .12em .4em; margin: 0 -.4em; }
summary h3 { display: inline; }
summary { cursor: pointer; font-weight: 600; padding: .3rem 0; }
.terms { margin-top: .6rem; font-size: .9rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1rem; margin: .5rem 0;
  max-width: 80ch; }
dt { font-weight: 600; }
dd { margin: 0; }
.model > details { margin-top: 2rem; }
.charts, .panels { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); }
.chart, .panel { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: 1rem 1.1rem; margin: 0; min-width: 0; }
.chart figcaption { display: flex; flex-wrap: wrap; gap: 0 .7rem; align-items: baseline; }
.chart figcaption span { color: var(--soft); font-size: .85rem; margin-left: auto;
  font-variant-numeric: tabular-nums; }
.bars { display: flex; gap: 2px; height: 9rem; margin-top: .9rem; align-items: flex-end;
  border-bottom: 1px solid var(--soft); }
.bars i { flex: 1; min-width: 0; height: 100%; display: flex; flex-direction: column;
  justify-content: flex-end; font-style: normal; }
.bars b { font: 400 .68rem/1.5 inherit; font-size: .68rem; font-weight: 400; text-align: center;
  color: var(--soft); overflow-wrap: normal; font-variant-numeric: tabular-nums; }
.bars u { height: calc((100% - 1.2rem) * var(--h)); background: var(--fill);
  border-radius: 2px 2px 0 0; }
.bars .open u { background: var(--pale); }
.axis { position: relative; height: 1.5rem; font-size: .75rem; color: var(--soft);
  font-variant-numeric: tabular-nums; overflow-wrap: normal; }
.axis span { position: absolute; top: .25rem; transform: translateX(-50%); white-space: nowrap; }
.axis [style="left:0.00%"] { transform: none; }
.axis [style="left:100.00%"] { transform: translateX(-100%); }
.line { display: grid; grid-template-columns: 8.6rem minmax(0, 1fr) 3.4rem; gap: .7rem;
  align-items: center; font-size: .84rem; font-variant-numeric: tabular-nums; }
.line > b { font-weight: 500; text-align: right; }
.line > small { text-align: right; }
.line > span { white-space: nowrap; display: flex; justify-content: space-between; gap: .4rem; }
.track { position: relative; height: 1.45rem; }
.track > * { position: absolute; }
.track i { top: 50%; height: 1px; background: var(--soft); }
.track b { top: 22%; height: 56%; min-width: 2px; background: var(--pale); border-radius: 2px; }
.track u { top: 12%; height: 76%; width: 2px; margin-left: -1px; background: var(--fill); }
.ends div { display: flex; justify-content: space-between; border-top: 1px solid var(--line); }
.legend span { white-space: nowrap; }
.legend i { display: inline-block; width: .8em; height: .8em; border-radius: 2px;
  vertical-align: -.05em; }
.strips { display: grid; gap: 1rem; margin-bottom: 2rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 34rem), 1fr)); }
.strip { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: .5rem;
  background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .7rem;
  align-items: start; min-width: 0; }
.strip header { order: 1; display: flex; flex-direction: column; font-size: .8rem;
  font-variant-numeric: tabular-nums; align-self: center; padding-left: .2rem; }
.strip header span { color: var(--soft); }
.strip figure { margin: 0; min-width: 0; }
.strip img { display: block; width: 100%; height: auto; max-height: 22rem; object-fit: contain;
  border-radius: 4px; background: var(--line); outline: 1px solid var(--line); }
.strip figcaption { font-size: .72rem; color: var(--soft); margin-top: .15rem; }
@media (min-width: 620px) {
  .strip { grid-template-columns: repeat(5, minmax(0, 1fr)); }
  .strip header { order: 0; grid-column: 1 / -1; flex-flow: row wrap; gap: 0 .9rem;
    padding: 0 .1rem; }
  .strip header b { margin-right: auto; } }
@media (min-width: 1000px) {
  .intro { display: grid; grid-template-columns: 1fr 1fr; gap: 3rem; align-items: start; }
  .intro > * { margin-top: 0; } }
@media print { .model { break-before: page; } .strip, .chart, .panel { break-inside: avoid; } }
"""
