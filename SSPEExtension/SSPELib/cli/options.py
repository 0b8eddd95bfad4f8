"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..errors import InputError

DeviceOption = Annotated[
    Literal["auto", "cpu", "cuda", "mps"],
    typer.Option(help="Where to compute; auto takes a GPU where there is one."),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        help="A bundled model by its name, or any folder with model.json and weights.pt.", metavar="NAME_OR_DIR"
    ),
]


def check_outputs(outputs: list[tuple[Path | None, tuple[str, ...]]], inputs: list[Path]) -> None:
    """Make sure before the work that every output can be written and none is an input or another output.

    Args:
        outputs: paths with the suffixes they may have; None is passed over.
        inputs: files and folders that must stay as they are.

    Raises:
        InputError: names the first output that cannot be.
    """
    from ..io.writing import check_suffix, check_writable

    taken = {path.resolve(): "the input" for path in inputs}
    for path, suffixes in outputs:
        if path is None:
            continue
        check_suffix(path, suffixes)
        if path.resolve() in taken:
            raise InputError(f"{path} is {taken[path.resolve()]} as well; give it a name of its own.")
        taken[path.resolve()] = "another output"
        check_writable(path)
