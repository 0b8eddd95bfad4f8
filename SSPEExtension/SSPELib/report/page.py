"""The report for people: one HTML file that holds its figures and opens by double click."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from html import escape
from string import Template

from matplotlib.figure import Figure

from .. import __version__
from ..alignment import matrix_of
from ..registration.confidence import ErrorEstimate
from ..stages import stage
from ..volume import End
from .figures import before_and_after, candidates, checkerboard, png_of, real_and_synthetic
from .subject import Subject
from .summary import RESEARCH_USE

_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Registration report: $title</title>
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
table { border-collapse: collapse; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
td { padding: 3px 18px 3px 0; vertical-align: top; }
td:first-child { color: var(--muted); white-space: nowrap; }
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
  pre { font-size: 8pt; }
}
</style>
</head>
<body>
<main>
<div class="first">
<h1>Registration report</h1>
<p class="names"><b>fixed</b> $fixed<br><b>moving</b> $moving<br>$made, SSPE $version. $research_use</p>
<div class="verdict $verdict_class"><strong>$verdict</strong>
<p>$error.</p>
<ul>$reasons</ul>
<dl>$facts</dl>
</div>
$first_figure
<div class="sign"><div>Patient, ID</div><div>Accepted / rejected, for</div><div>Name, date, signature</div></div>
</div>
$warnings
$figures
<section><h2>Details</h2>
<table>$details</table>
<p class="caption" style="margin-top:16px">Matrix from fixed to moving points, LPS, mm</p>
<pre>$matrix</pre>
</section>
<footer>SSPE $version. $research_use</footer>
</main>
</body>
</html>
""")


@stage("report")
def page_of(subject: Subject) -> str:
    """Return the report as one self-contained HTML page."""
    found = subject.registration
    rows = "\n".join("  ".join(f"{value:12.6f}" for value in row) for row in matrix_of(found.transform))
    return _PAGE.substitute(
        title=escape(subject.files["moving"]),
        fixed=escape(subject.files["fixed"]),
        moving=escape(subject.files["moving"]),
        verdict_class="" if found.reliable else "doubtful",
        verdict="Reliable" if found.reliable else "Not reliable: check it by eye before it is used",
        error=escape(found.error_sentence),
        made=datetime.now().strftime("%Y-%m-%d %H:%M"),
        first_figure=_section(
            "Before and after",
            "Real voxels only, fixed in magenta and moving in green; gray where they agree. Across the tiles' edges of "
            "the checkerboard, outlines and vertebrae run on where the registration is right.",
            before_and_after(subject),
        ),
        reasons=_items(found.reasons),
        facts="".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in _facts(subject)),
        warnings=f"<section><h2>Warnings</h2><ul>{_items(subject.warnings)}</ul></section>" if subject.warnings else "",
        figures="".join(_figures(subject)),
        details="".join(
            f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in _details(subject)
        ),
        matrix=rows,
        version=__version__,
        research_use=RESEARCH_USE,
    )


def _facts(subject: Subject) -> list[tuple[str, str]]:
    found = subject.registration
    overlap = f"{found.overlap_mm:.0f} mm" if found.overlap_mm >= 0 else f"none, a gap of {-found.overlap_mm:.0f} mm"
    return [
        ("9 of 10 within, at the junction", _bound(found.junction)),
        ("9 of 10 within, at the far end", _bound(found.far_end)),
        ("Real overlap along the body", overlap),
        ("Transform", found.transform_type),
        ("Synthetic, fixed", _synthetic(found.synthetic_mm.get("fixed", {}))),
        ("Synthetic, moving", _synthetic(found.synthetic_mm.get("moving", {}))),
        ("Time", f"{found.seconds:.0f} s"),
    ]


def _bound(error: ErrorEstimate) -> str:
    return f"{error.bound_mm:.0f} mm" if math.isfinite(error.bound_mm) else "unknown"


def _synthetic(by_end: Mapping[End, float]) -> str:
    return ", ".join(f"{mm:.0f} mm {end}" for end, mm in by_end.items() if mm > 0) or "none"


def _details(subject: Subject) -> list[tuple[str, str]]:
    found = subject.registration
    return [
        *((role, path) for role, path in subject.files.items()),
        ("start", found.start),
        ("last refinement by", found.backend),
        ("generator", subject.model or "none (no expansion)"),
        ("metric", f"{found.metric:.4f} ({found.metric_name})"),
    ]


def _figures(subject: Subject) -> Iterable[str]:
    yield _section(
        "Checkerboard",
        "Tiles from both volumes in turn where both have voxels: outlines and vertebrae run on across the tiles' edges "
        "where the registration is right.",
        checkerboard(subject),
    )
    if subject.model is not None:
        yield _section(
            "Where real and synthetic voxels met",
            "Synthetic slices are tinted. They guide the search; where enough real voxels overlap, these alone decide.",
            real_and_synthetic(subject),
        )
    if subject.registration.candidates:
        yield _section(
            "Candidates",
            "Positions that were refined and weighed. One that stands far above the others is a good sign.",
            candidates(subject),
        )


def _section(title: str, caption: str, figure: Figure) -> str:
    data = base64.b64encode(png_of(figure)).decode("ascii")
    return (
        f'<section><h2>{escape(title)}</h2><p class="caption">{escape(caption)}</p>'
        f'<img alt="{escape(title)}" src="data:image/png;base64,{data}"></section>\n'
    )


def _items(sentences: Iterable[str]) -> str:
    return "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
