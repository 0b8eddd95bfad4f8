"""The page that all reports for people share: one HTML file that holds its figures and opens by double click."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from string import Template

from matplotlib.figure import Figure

from .. import __version__
from ..poses import Matrix
from ..verdict import Verdict
from .figures import png_of
from .summary import RESEARCH_USE

CHECK = ": check it by eye before it is used"
_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$heading: $title</title>
<style>
:root { --ink: #1c2733; --muted: #5c6b7a; --line: #dfe5eb; --paper: #f4f6f8; --good: #1b7f5c; --bad: #b3470b; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 20px 56px; }
h1 { font-size: 1.6rem; margin: 0; line-height: 1.25; }
h2 { font-size: 1.1rem; margin: 0 0 4px; }
.names { color: var(--muted); margin: 6px 0 22px; overflow-wrap: anywhere; }
section, .verdict { background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: 20px 24px; }
section { margin-top: 18px; }
.verdict { border-left: 8px solid var(--good); }
.verdict.doubtful { border-left-color: var(--bad); }
.verdict strong { font-size: 1.25rem; color: var(--good); }
.verdict.doubtful strong { color: var(--bad); }
.verdict ul { margin: 8px 0 0; padding-left: 20px; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(165px, 1fr)); gap: 16px 24px; margin: 18px 0 0; }
dt { color: var(--muted); font-size: .82rem; }
dd { margin: 0; font-size: 1.15rem; font-weight: 600; font-variant-numeric: tabular-nums; }
p.caption { color: var(--muted); margin: 0 0 14px; max-width: 74ch; }
img { display: block; max-width: 100%; height: auto; margin: 0 auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
td { padding: 3px 18px 3px 0; vertical-align: top; }
th { text-align: left; vertical-align: bottom; font-weight: 600; padding: 3px 18px 3px 0; }
.details td { overflow-wrap: anywhere; }
.details td:first-child { color: var(--muted); white-space: nowrap; }
pre { margin: 6px 0 0; overflow-x: auto; font-size: .86rem; }
footer { color: var(--muted); font-size: .86rem; margin-top: 26px; }
.sign { display: flex; gap: 28px; margin-top: 26px; color: var(--muted); font-size: .82rem; }
.sign div { flex: 1; border-top: 1px solid var(--ink); padding-top: 4px; }
@page { size: A4; margin: 13mm; @bottom-right { content: counter(page) " / " counter(pages); font-size: 8pt; } }
@media print {
  body { background: #fff; font-size: 10pt; line-height: 1.4; }
  main { max-width: none; padding: 0; }
  h1 { font-size: 15pt; }
  section, .verdict { break-inside: avoid; padding: 9px 12px; border-radius: 0; margin-top: 8px; }
  .names { margin: 3px 0 8px; }
  dl { grid-template-columns: repeat(4, 1fr); gap: 4px 14px; margin-top: 6px; }
  dd { font-size: 10.5pt; }
  .first { break-after: page; }
  .first img { max-height: 126mm; }
  section img { max-height: 150mm; }
  table { font-size: 8.5pt; line-height: 1.3; }
  td, th { padding: 2px 9px 2px 0; }
  pre { font-size: 8pt; }
}
</style>
</head>
<body>
<main>
<div class="first">
<h1>$heading</h1>
<p class="names">$who$names$made, SSPE $version. $research_use</p>
<div class="verdict $verdict_class"><strong>$verdict</strong>
<p>$error</p>
<ul>$reasons</ul>
<dl>$facts</dl>
</div>
$first_figure
<div class="sign">$unknown_patient<div>Accepted / rejected, for</div><div>Name, date, signature</div></div>
</div>
$warnings
$body
<footer>SSPE $version. $research_use</footer>
</main>
</body>
</html>
""")


def document(
    heading: str,
    names: Mapping[str, str],
    *,
    who: Mapping[str, str],
    verdict: Verdict,
    reasons: Iterable[str],
    facts: Iterable[tuple[str, str]],
    first_figure: str,
    warnings: Sequence[str],
    body: str,
) -> str:
    """Return the whole page; its first printed page is the one to be signed.

    Args:
        heading: what is reported on.
        names: files by their roles.
        who: the patient, as the header of the scan says; empty where it does not.
        verdict: on the registration, or on all that the result rests on.
        reasons: behind the verdict.
        facts: names and values for the first page.
        first_figure: a section for the first page.
        warnings: all that the user was given.
        body: sections that follow.
    """
    patient = ", ".join(f"<b>{escape(name)}</b> {escape(value)}" for name, value in who.items())
    return _PAGE.substitute(
        heading=escape(heading),
        title=escape(list(names.values())[-1]),
        who=f"{patient}<br>" if patient else "",
        names="".join(f"<b>{escape(role)}</b> {escape(path)}<br>" for role, path in names.items()),
        unknown_patient="" if patient else "<div>Patient, ID</div>",
        verdict_class="" if verdict.reliable else "doubtful",
        verdict=escape(verdict.headline + ("" if verdict.reliable or verdict.accepted_by else CHECK)),
        error=escape(verdict.errors),
        made=datetime.now().strftime("%Y-%m-%d %H:%M"),
        first_figure=first_figure,
        reasons=items(reasons),
        facts="".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts),
        warnings=f"<section><h2>Warnings</h2><ul>{items(warnings)}</ul></section>" if warnings else "",
        body=body,
        version=__version__,
        research_use=RESEARCH_USE,
    )


def figure_section(title: str, caption: str, figure: Figure) -> str:
    """A section with a figure."""
    data = base64.b64encode(png_of(figure)).decode("ascii")
    return section(
        title,
        f'<p class="caption">{escape(caption)}</p><img alt="{escape(title)}" src="data:image/png;base64,{data}">',
    )


def section(title: str, content: str) -> str:
    """A section of HTML."""
    return f"<section><h2>{escape(title)}</h2>{content}</section>\n"


def details(rows: Iterable[tuple[str, str]]) -> str:
    """A table of names and values."""
    cells = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in rows)
    return f'<table class="details">{cells}</table>'


def matrix_block(caption: str, matrix: Matrix) -> str:
    """A (4, 4) matrix."""
    rows = "\n".join("  ".join(f"{value:12.6f}" for value in row) for row in matrix)
    return f'<p class="caption" style="margin-top:16px">{escape(caption)}</p><pre>{rows}</pre>'


def items(sentences: Iterable[str]) -> str:
    """Sentences as items of a list."""
    return "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
