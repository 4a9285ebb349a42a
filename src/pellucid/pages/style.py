"""The look of a page in HTML: a fragment takes its colours from what stands around it, a document brings its own.

Line colours are those of Okabe and Ito (2008), told apart by colour-blind eyes; a dark document lightens two.
"""

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")

FRAGMENT = """
.pellucid { line-height: 1.45; }
.pellucid h2 { font-size: 1.08em; margin: 1.7em 0 .5em; padding-bottom: .2em;
  border-bottom: 1px solid color-mix(in srgb, currentColor 22%, transparent); }
.pellucid h2:first-of-type { margin-top: .4em; }
.pellucid p { margin: .3em 0; }
.pellucid code, .pellucid-formula, .pellucid-aside, .pellucid table {
  font-family: ui-monospace, Menlo, Consolas, monospace; font-size: .86em; }
.pellucid-formula { padding-left: 1.5em; text-indent: -1.5em; overflow-wrap: anywhere; }
.pellucid-aside { white-space: pre-wrap; overflow-wrap: anywhere; }
.pellucid-formula span { opacity: .78; }
.pellucid-formula var { font-style: normal; color: var(--pellucid-accent, #0072b2); }
.pellucid-formula b { white-space: nowrap; }
.pellucid-table { overflow-x: auto; margin: .6em 0 1em; }
.pellucid table { border-collapse: collapse; font-variant-numeric: tabular-nums; color: inherit; }
.pellucid th, .pellucid td { padding: .3em 1.2em .3em 0; text-align: left; vertical-align: middle; white-space: nowrap;
  border-bottom: 1px solid color-mix(in srgb, currentColor 12%, transparent); background: none; color: inherit; }
.pellucid th { font-weight: 600; opacity: .7; }
.pellucid th.pellucid-number, .pellucid td.pellucid-number { text-align: right; }
.pellucid-bars { display: block; overflow: visible; }
.pellucid-bars rect { fill: var(--pellucid-accent, #0072b2); }
.pellucid-zero { stroke: currentColor; stroke-opacity: .55; stroke-dasharray: 2 2; fill: none; }
.pellucid figure { margin: .6em 1.6em .8em 0; }
.pellucid figcaption { font-weight: 600; font-size: .92em; margin-bottom: .3em; }
.pellucid-distribution { display: inline-block; width: 240px; }
.pellucid-distribution div { display: flex; justify-content: space-between; font-size: .78em; opacity: .8;
  font-variant-numeric: tabular-nums; }
.pellucid-curve svg { width: 100%; max-width: 720px; height: auto; display: block; }
.pellucid-curve text { fill: currentColor; font: 11px system-ui, sans-serif; opacity: .8; }
.pellucid-grid { stroke: currentColor; stroke-opacity: .14; fill: none; }
.pellucid-line { fill: none; stroke-width: 1.8; stroke-linejoin: round; stroke-linecap: round; }
.pellucid-legend { font-size: .86em; display: flex; flex-wrap: wrap; gap: .2em 1.2em; padding-left: 60px; }
.pellucid-legend i { display: inline-block; width: 1.3em; border-top: 3px solid; vertical-align: .22em;
  margin-right: .45em; }
.pellucid-link code { background: color-mix(in srgb, currentColor 9%, transparent);
  padding: .1em .45em; border-radius: .3em; }
""" + "".join(
    f".pellucid .pellucid-line-{i} {{ stroke: var(--pellucid-{i}, {colour}); "
    f"border-color: var(--pellucid-{i}, {colour}); }}\n"
    for i, colour in enumerate(COLOURS)
)

DOCUMENT = """
:root { color-scheme: light dark; }
body { font-family: system-ui, sans-serif; max-width: 70rem; margin: 1.5rem auto; padding: 0 1.2rem;
  color: #1c1e21; background: #fff; }
h1 { font-size: 1.45rem; }
@media (prefers-color-scheme: dark) {
  body { color: #dfe2e6; background: #16181c; }
  .pellucid { --pellucid-accent: #56b4e9; --pellucid-0: #56b4e9; --pellucid-5: #b7c7d6; }
}
"""
