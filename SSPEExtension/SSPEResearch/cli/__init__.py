"""The commands of research: they join `sspe` where this package is installed."""

import typer

from .benchmark import benchmark
from .bundle import bundle
from .demonstrate import demo
from .evaluate import evaluate
from .import_dicom import import_dicom
from .train import campaign, prepare, train


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this package to `sspe`."""
    for command in (demo, prepare, train, campaign, bundle, import_dicom):
        app.command()(command)
    app.add_typer(evaluate, name="evaluate")
    app.add_typer(benchmark, name="benchmark")
