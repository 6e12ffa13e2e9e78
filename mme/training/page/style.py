"""How the page looks: on a screen light or dark, on a phone, on paper.

Text and lines have a contrast of at least 4.5 to 1, areas and bars of 3 to 1, in both modes. Kinds
of lines differ by dashes too, so that they can be told apart without colours.
"""

STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --faint: #57606a; --page: #fff; --rule: #d0d7de;
  --one: #0b5cad; --other: #b3470f; --note: #fff4d6; --note-rule: #b38600 }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --faint: #9aa4af; --page: #0d1117;
  --rule: #30363d; --one: #6cb6ff; --other: #f2a65a; --note: #2d2408; --note-rule: #d4a72c } }
* { box-sizing: border-box }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 48rem; margin: 0 auto; padding: 1.5rem 1rem;
  color: var(--text); background: var(--page); overflow-wrap: anywhere }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .5rem }
h2 { font-size: 1.2rem; margin: 2.25rem 0 .5rem; padding-top: .75rem;
  border-top: 1px solid var(--rule) }
h3 { font-size: 1rem; margin: 0 0 .25rem }
p { max-width: 44rem; margin: .5rem 0 } .lead { font-size: 1.1rem }
.warning { background: var(--note); padding: .5rem .75rem; border-left: 4px solid var(--note-rule) }
.figures { display: grid; gap: 1.5rem 2rem; margin: 1rem 0;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)) }
figure { margin: 0; min-width: 0; display: grid; grid-row: span 3; align-content: start;
  grid-template-rows: subgrid; row-gap: 0 }
figcaption p { color: var(--faint); font-size: .9rem; margin: 0 0 .5rem }
.plot { display: block; width: 100%; height: auto; max-width: 26rem; margin-bottom: .35rem }
.plot text { font: 12px system-ui, sans-serif; fill: var(--text) }
.plot text.axis, .plot text.number { fill: var(--faint); font-variant-numeric: tabular-nums }
.bar { fill: var(--one) } .grid { stroke: var(--rule) } .base { stroke: var(--faint) }
.interval { stroke: var(--text); stroke-width: 1.5 } .halo { stroke: var(--page); stroke-width: 4 }
.level { stroke: var(--faint); stroke-dasharray: 2 3 }
.line { fill: none; stroke: var(--one); stroke-width: 2 } .dot { fill: var(--one) }
.line.kind-1 { stroke: var(--other); stroke-dasharray: 6 3 } .dot.kind-1 { fill: var(--other) }
.line.kind-2 { stroke: var(--text); stroke-dasharray: 2 3 } .dot.kind-2 { fill: var(--text) }
.line.kind-3 { stroke: var(--faint); stroke-dasharray: 9 2 } .dot.kind-3 { fill: var(--faint) }
.area { fill: var(--one); fill-opacity: .3; stroke: var(--one); stroke-width: 1.5 }
.area.kind-1 { fill: var(--other); stroke: var(--other); stroke-dasharray: 6 3 }
.wide { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-size: .9rem }
th, td { min-width: 4.5rem; text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0;
  border-bottom: 1px solid var(--rule) }
th { font-weight: 600; overflow-wrap: break-word }
td.number { text-align: right; font-variant-numeric: tabular-nums }
details { margin: .5rem 0 } summary { cursor: pointer; color: var(--one) }
summary:focus-visible, .wide:focus-visible { outline: 2px solid var(--one); outline-offset: 2px }
@media print {
  :root { color-scheme: light; --text: #000; --faint: #444; --page: #fff; --rule: #bbb;
    --one: #0b5cad; --other: #b3470f; --note: #fff; --note-rule: #000 }
  body { font-size: 10pt; max-width: none; padding: 0 }
  figure, tr { break-inside: avoid } h2, h3 { break-after: avoid }
  .figures { grid-template-columns: repeat(2, 1fr) }
  .wide { overflow: visible } details:not([open]) { display: none }
}
"""
