"""The work on a row: read, expand, register or stitch, write everything that a person or a program may ask for."""

from __future__ import annotations

from pathlib import Path

from SSPELib import tasks
from SSPELib.io import read_volumes, write_image, write_transform
from SSPELib.options import ExpandOptions, MergeOptions, RegisterOptions
from SSPELib.report import Assembly, Subject, summary_of, summary_of_assembly
from SSPELib.report.assembly_page import page_of_assembly
from SSPELib.report.page import page_of
from SSPELib.verdict import finite
from SSPELib.volume import Volume, synthetic_mm

from .record import Outcome
from .row import Row
from .thumbnail import draw_thumbnail

TRANSFORM_FILE = "transform.tfm"
PAGE_FILE = "report.html"
SUMMARY_FILE = "report.json"
THUMBNAIL_FILE = "thumbnail.png"
STITCHED_FILE = "stitched.nii.gz"
SOURCES_FILE = "sources.nii.gz"
EXPANDED_FILE = "expanded.nii.gz"
PROVENANCE_FILE = "provenance.nii.gz"


def do_row(row: Row, folder: Path) -> Outcome:
    """Do a row with the library, and write its files into a folder.

    Raises:
        SSPEError: an input is no good, or nothing could be found.
    """
    return {"register": _register, "expand": _expand, "stitch": _stitch}[row.kind](row, folder)


def _register(row: Row, folder: Path) -> Outcome:
    fixed, moving = _volumes(row)
    done = tasks.register(fixed, moving, row.chosen(RegisterOptions))
    found = done.registration
    write_transform(found.transform, folder / TRANSFORM_FILE)
    files = {**{role: paths[0] for role, paths in row.inputs.items()}, "transform": TRANSFORM_FILE}
    subject = Subject(done.fixed, done.moving, found, files, done.model, done.warnings)
    (folder / SUMMARY_FILE).write_text(summary_of(subject), encoding="utf-8")
    (folder / PAGE_FILE).write_text(page_of(subject), encoding="utf-8")
    draw_thumbnail([(fixed, None), (moving, found.transform)], folder / THUMBNAIL_FILE)
    return Outcome(
        reliable=bool(found.reliable),
        expected_error_mm=finite(found.expected_error_mm),
        error_bound_mm=finite(found.error_bound_mm),
        overlap_mm=float(found.overlap_mm),
        transform_type=found.transform_type,
        synthetic_mm=float(sum(mm for ends in found.synthetic_mm.values() for mm in ends.values())),
        model=done.model,
        notes=(*found.reasons, *done.warnings),
    )


def _stitch(row: Row, folder: Path) -> Outcome:
    parts, options = _volumes(row), row.chosen(MergeOptions)
    done = tasks.stitch(parts, row.chosen(RegisterOptions), options)
    write_image(done.joined.volume.to_image(), folder / STITCHED_FILE)
    write_image(done.joined.sources_image(), folder / SOURCES_FILE)
    about = Assembly.of_stitched(done, parts, options, [str(path) for path in row.paths], STITCHED_FILE, {})
    (folder / SUMMARY_FILE).write_text(summary_of_assembly(about), encoding="utf-8")
    (folder / PAGE_FILE).write_text(page_of_assembly(about), encoding="utf-8")
    draw_thumbnail([(done.joined.volume, None)], folder / THUMBNAIL_FILE)
    verdict = done.network.verdict
    return Outcome(
        reliable=verdict.reliable,
        expected_error_mm=verdict.expected_error_mm,
        error_bound_mm=verdict.error_bound_mm,
        overlap_mm=float(min(link.overlap_mm for link in done.network.used)),
        notes=done.warnings,
    )


def _volumes(row: Row) -> list[Volume]:
    return read_volumes(row.paths, row.reading)


def _expand(row: Row, folder: Path) -> Outcome:
    done = tasks.expand(_volumes(row)[0], row.chosen(ExpandOptions))
    write_image(done.volume.to_image(), folder / EXPANDED_FILE)
    write_image(done.volume.provenance_image(), folder / PROVENANCE_FILE)
    draw_thumbnail([(done.volume, None)], folder / THUMBNAIL_FILE)
    return Outcome(
        synthetic_mm=float(sum(synthetic_mm(done.volume).values())), model=done.model, notes=tuple(done.warnings)
    )
