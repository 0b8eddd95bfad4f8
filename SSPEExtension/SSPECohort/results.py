"""What is written of all rows together: a table as Parquet and CSV, and an overview to begin with."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import jinja2
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from SSPELib import __version__
from SSPELib.io import Outputs
from SSPELib.report.summary import RESEARCH_USE

from .record import COLUMNS, Record
from .store import Store
from .work import PAGE_FILE, THUMBNAIL_FILE

PARQUET_FILE = "results.parquet"
CSV_FILE = "results.csv"
OVERVIEW_FILE = "index.html"

_TYPES = {str: pa.string(), float: pa.float64(), bool: pa.bool_()}
_SCHEMA = pa.schema([(column, _TYPES[kind]) for column, kind in COLUMNS.items()])


def write_results(records: Sequence[Record], left: int, store: Store) -> None:
    """Write the table and the overview, all of them or none.

    Args:
        records: of all rows so far.
        left: number of rows that are not settled yet.
        store: the folder that they go to.

    Raises:
        InputError: the folder cannot be written.
    """
    table = pa.Table.from_pylist([record.as_columns() for record in records], schema=_SCHEMA)
    with Outputs() as outputs:
        pyarrow.parquet.write_table(table, outputs.beside(store.folder / PARQUET_FILE))
        pyarrow.csv.write_csv(table, outputs.beside(store.folder / CSV_FILE))
        outputs.text(_overview(records, left, store), store.folder / OVERVIEW_FILE)


def doubtful_first(record: Record) -> tuple[Any, ...]:
    """Sort records as a person should look at them: failed, not reliable, the others; the worst of each first."""
    outcome = record.outcome
    rank = 0 if record.status == "failed" else {False: 1, True: 2, None: 3}[outcome.reliable]
    error = math.inf if outcome.expected_error_mm is None else outcome.expected_error_mm
    return rank, -error, record.name


def _overview(records: Sequence[Record], left: int, store: Store) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("SSPECohort"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    cards = []
    for record in sorted(records, key=doubtful_first):
        place = f"{store.rows.name}/{quote(record.name)}"
        registered = record.row is not None and record.row.kind == "register"
        cards.append(
            {
                "record": record,
                "verdict": _verdict(record),
                "thumbnail": f"{place}/{THUMBNAIL_FILE}" if record.status == "done" else None,
                "link": f"{place}/{PAGE_FILE if registered else ''}" if record.status == "done" else None,
            }
        )
    counts = Counter(card["verdict"] for card in cards)
    return environment.get_template("overview.html.j2").render(
        cards=cards, counts=counts, left=left, version=__version__, research_use=RESEARCH_USE
    )


def _verdict(record: Record) -> str:
    if record.status == "failed":
        return "failed"
    return {False: "not reliable", True: "reliable", None: "expanded"}[record.outcome.reliable]
