"""The report on a merged or stitched volume for people."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from ..verdict import finite
from ..volume import body_length_mm
from ..volume.overlap import overlap_words
from .assembly import Assembly, Pair
from .assembly_figures import joint, whole_and_sources
from .document import details, document, figure_section, matrix_block, section


def page_of_assembly(about: Assembly) -> str:
    """Return the report as one self-contained HTML page."""
    return document(
        about.heading,
        {**dict(zip(about.roles, about.names, strict=True)), "result": about.output},
        who=about.who,
        verdict=about.verdict,
        reasons=_reasons(about),
        facts=_facts(about),
        first_figure=figure_section(
            "The whole volume",
            "As it was made, and tinted by where its voxels come from. In the middle of an overlap a soft seam joins "
            "two parts.",
            whole_and_sources(about),
        ),
        warnings=about.warnings,
        body="".join(_sections(about)),
    )


def _reasons(about: Assembly) -> list[str]:
    if len(about.pairs) == 1:
        return list(about.pairs[0].verdict.reasons)
    left_out = [f"{about.called(index)} fits to no other part and was left out." for index in about.left_out]
    return [*left_out, *(_told(about, pair) for pair in about.pairs if pair.used)]


def _told(about: Assembly, pair: Pair) -> str:
    verdict = pair.verdict
    return f"{about.called(pair.first)} and {about.called(pair.second)}: {verdict.sentence[0].lower()}" + (
        verdict.sentence[1:].removesuffix(".") + f"; overlap: {overlap_words(pair.overlap_mm)}."
    )


def _facts(about: Assembly) -> list[tuple[str, str]]:
    synthetic = next((value for value, words in about.legend.items() if words == "synthetic"), None)
    made = (about.sources == synthetic).any()
    return [
        ("Order from the head down", ", ".join(about.roles[index] for index in about.order)),
        ("Length along the body", f"{body_length_mm(about.volume):.0f} mm"),
        ("Overlaps", ", ".join(overlap_words(pair.overlap_mm) for pair in about.pairs if pair.used)),
        ("Width of the seam", f"{about.options.seam_mm:g} mm"),
        ("Synthetic voxels", "in a filled gap" if made else "none"),
        *_facts_of_several(about),
    ]


def _facts_of_several(about: Assembly) -> list[tuple[str, str]]:
    if len(about.parts) == 2:
        return []
    return [
        ("Left out", ", ".join(about.roles[index] for index in about.left_out) or "none"),
        ("Links contradict each other by", f"{about.disagreement_mm:.1f} mm"),
    ]


def _sections(about: Assembly) -> Iterable[str]:
    yield section("Parts", _parts(about))
    yield section("Pairs that were registered", _pairs(about))
    for pair in about.pairs:
        if pair.used:
            yield figure_section(
                f"{about.called(pair.first)} and {about.called(pair.second)}",
                "Real voxels where the result has them: gray where both agree; across the tiles' edges outlines and "
                "vertebrae run on where the registration is right.",
                joint(about, pair),
            )
    root = about.called(next(iter(about.poses)))
    matrices = "".join(
        matrix_block(f"Matrix from points of {root} to points of {about.called(index)}, LPS, mm", pose)
        for index, pose in list(about.poses.items())[1:]
    )
    rows = [*zip(about.roles, about.names, strict=True), ("result", about.output)]
    yield section("Details", details(rows) + matrices)


def _parts(about: Assembly) -> str:
    lines = []
    for index in (*about.order, *about.left_out):
        expected, bound = about.errors.get(index, (math.nan, math.nan))
        stays = index == next(iter(about.poses))
        errors = ("stays", "stays") if stays else (_mm(finite(expected)), _mm(finite(bound)))
        lines.append(
            (f"part {index + 1}", about.names[index], *(errors if index in about.poses else ("left out",) * 2))
        )
    return _table(("from the head down", "file", "expected error", "9 of 10 within"), lines)


def _pairs(about: Assembly) -> str:
    lines = []
    for pair in about.pairs:
        verdict = pair.verdict
        errors = _mm(verdict.expected_error_mm), _mm(verdict.error_bound_mm)
        both = f"{about.called(pair.first)}, {about.called(pair.second)}"
        used = "yes" if pair.used else "no"
        lines.append((both, verdict.headline, *errors, overlap_words(pair.overlap_mm), used, " ".join(verdict.reasons)))
    return _table(("parts", "verdict", "expected error", "9 of 10 within", "overlap", "used", "why"), lines)


def _table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = ["".join(f"<td>{escape(cell)}</td>" for cell in line) for line in lines]
    head = "".join(f"<th>{head}</th>" for head in heads)
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _mm(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f} mm"
