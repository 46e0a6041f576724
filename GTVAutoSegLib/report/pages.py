"""The look of HTML reports: one style sheet for screen and paper, tables, and pictures inside the page."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from html import escape
from string import Template

RESEARCH_ONLY = "Research demonstration, not for clinical use. Every outline has to be checked by a qualified person."
UNDEFINED = "–"  # noqa: RUF001 - an en dash, as tables have it

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { font: 15px/1.45 system-ui, "DejaVu Sans", sans-serif; color: #1c1c1c; background: #fff; max-width: $width;
  margin: 1.5em auto; padding: 0 1em; }
h1 { font-size: 1.5em; margin: .2em 0; overflow-wrap: anywhere; }
h2 { font-size: 1.1em; margin: 1.5em 0 .5em; border-bottom: 1px solid #bbb; }
p { margin: .4em 0; }
.notice { border: 2px solid #a15c00; background: #fff6e5; padding: .4em .8em; font-weight: 600; }
.warning { border-left: 4px solid #a15c00; padding-left: .6em; }
.failed { border-left: 4px solid #b00020; padding-left: .6em; }
.badge { border-radius: .3em; padding: .1em .5em; color: #fff; font-weight: 600; white-space: nowrap; }
.badge.failed { background: #b00020; border: 0; } .badge.check { background: #a15c00; }
.badge.changed { background: #1f5a96; }
.badge.not-done { background: #666; } .badge.done { background: #23662f; }
.sign { margin-top: 2em; } .sign span { display: inline-block; border-bottom: 1px solid #1c1c1c; width: 14em; }
.results { font-size: .9em; } .results th { font-size: .9em; vertical-align: bottom; }
.results td:last-child { min-width: 14em; }
.figures { font-size: .88em; } .figures th { vertical-align: bottom; }
.figures th:not(:first-child) { text-align: right; padding-left: .3em; }
.fixed td:first-child { white-space: nowrap; }
.top { display: flex; flex-wrap: wrap; gap: 1.5em; align-items: flex-start; }
.top > table { flex: 1 1 24em; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { padding: .2em .9em .2em 0; text-align: left; vertical-align: top; border-bottom: 1px solid #e2e2e2; }
th { font-weight: 600; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td img { max-width: none; }
figure { margin: 0; } figcaption { font-size: .85em; }
img { max-width: 100%; height: auto; background: #000; display: block; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(15em, 1fr)); gap: 1em; }
.marked { position: relative; } .marked img { width: 100%; }
.marked span { position: absolute; color: #ffe27a; font: 700 .9em/1 system-ui, "DejaVu Sans", sans-serif;
  text-shadow: 0 0 3px #000, 0 0 3px #000; transform: translate(-50%, -50%); }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(15em, 1fr)); gap: 0 3em; align-items: start; }
.columns th, .columns td { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; padding: .2em; }
.columns th:first-child, .columns td:first-child { width: 20%; }
.small { font-size: .85em; color: #444; overflow-wrap: anywhere; }
svg { width: 100%; height: auto; display: block; }
@page { size: A4; margin: 14mm; }
@media print {
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { font-size: 10pt; max-width: none; margin: 0; padding: 0; }
  h2, h2 + p { break-after: avoid; } figure, .notice, tr, svg, .together { break-inside: avoid; }
  .pictures { grid-template-columns: repeat(3, 1fr); gap: 4mm; }
  .columns { grid-template-columns: repeat(3, 1fr); gap: 0 8mm; font-size: 8.5pt; }
  .columns th, .columns td { padding: .1em .2em; }
  .scroll { overflow: visible; font-size: 8pt; }
  .results { font-size: 6.5pt; } .results th, .results td { padding-right: .5em; } .results td img { width: 18mm; }
  .results td:last-child { min-width: 9em; }
  a { color: inherit; text-decoration: none; }
}
</style>
</head>
<body>
$body
</body>
</html>
""")


def page(title: str, parts: Iterable[str], width: str = "60em") -> str:
    """A whole HTML page.

    Args:
        title: plain text.
        parts: HTML.
        width: the most it takes on a screen, in CSS.
    """
    return PAGE.substitute(title=escape(title), body="\n".join(parts), width=width)


def table(rows: Iterable[Sequence[object]], head: Sequence[str] = (), kind: str = "") -> str:
    """A table, in a box of some classes of the style sheet where there is a ``kind``.

    Numbers, also as `Number`, are set to the right, texts that are `Html` are left as they are.
    """
    # As a head of its own, for it is repeated on every sheet of paper then.
    first = f"<thead><tr>{''.join(f'<th>{escape(text)}</th>' for text in head)}</tr></thead>" if head else ""
    lines = [f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows]
    found = f"<table>{first}<tbody>{''.join(lines)}</tbody></table>"
    return f'<div class="{kind}">{found}</div>' if kind else found


class Html(str):
    """Text that is HTML already."""


class Number(str):
    """A number already written as people read it, set like one."""


def number(value: float | None, decimals: int, sign: str = "") -> Number:
    """A figure with so many decimals, with its sign where that is "+"; a dash where it is None or NaN."""
    return Number(UNDEFINED if value is None or math.isnan(value) else f"{value:{sign}.{decimals}f}")


def paragraphs(texts: Iterable[str], kind: str) -> list[str]:
    """A paragraph of a class of the style sheet for each plain text."""
    return [f'<p class="{kind}">{escape(text)}</p>' for text in texts]


def badge(kind: str, text: str) -> Html:
    """A word on the colour of its class in the style sheet, which has hyphens for spaces."""
    return Html(f'<span class="badge {kind.replace(" ", "-")}">{escape(text)}</span>')


def small(text: str) -> Html:
    """A text that may be long, as a hash."""
    return Html(f'<span class="small">{escape(text)}</span>')


def figure(png: bytes, caption: str, marks: Sequence[str]) -> str:
    """An image inside the page, with a word at the middle of each of its sides: left, right, top, bottom."""
    image = f'<img alt="{escape(caption)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
    places = ((4, 50), (96, 50), (50, 4), (50, 96))
    words = "".join(f'<span style="left:{x}%;top:{y}%">{escape(m)}</span>' for m, (x, y) in zip(marks, places))
    return f'<figure><div class="marked">{image}{words}</div><figcaption>{escape(caption)}</figcaption></figure>'


def _cell(value: object) -> str:
    if isinstance(value, (int, float)):
        return f'<td class="number">{value:g}</td>'
    if isinstance(value, Number):
        return f'<td class="number">{escape(value)}</td>'
    return f"<td>{value if isinstance(value, Html) else escape(str(value))}</td>"
