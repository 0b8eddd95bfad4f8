"""The application `sspe`: its commands, and what becomes of errors and of Ctrl-C."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence

import typer

from .. import __version__
from ..errors import Cancelled, SSPEError
from .apply import apply
from .expand import expand
from .inspect import inspect
from .merge import merge
from .register import register
from .stitch import stitch

BAD_INPUT = 2
INTERRUPTED = 130
# Typer brings its own copy of click or uses an installed one, depending on its version; this class is the right one.
USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]

app = typer.Typer(
    name="sspe",
    help="Expand partial CT volumes toward each other and register them where they hardly overlap. "
    "For research use only.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"sspe {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
) -> None:
    """Options before the command."""


for command in (inspect, expand, register, merge, stitch, apply):
    app.command()(command)
# What is not installed in Slicer brings its own commands along.
for package in ("SSPECohort", "SSPEResearch"):
    if importlib.util.find_spec(package) is not None:
        importlib.import_module(f"{package}.cli").add_commands(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 rows of a batch failed or a benchmark became
    slower, 2 bad input or argument, 130 interrupted.

    Every bad input becomes one sentence on standard error; files of results appear only when all are complete.
    """
    try:
        code = app(args=list(arguments) if arguments is not None else None, standalone_mode=False)
    except SSPEError as error:
        return _fail(str(error))
    except USAGE_ERROR as error:
        # Without a command the help has been printed already.
        return _fail(_usage(error)) if _words(error) else BAD_INPUT
    except (KeyboardInterrupt, typer.Abort, Cancelled):
        code = INTERRUPTED
    # Typer turns Ctrl-C into this code by itself where it is the first to see it.
    if code == INTERRUPTED:
        print("Interrupted; nothing unfinished was left.", file=sys.stderr)
    return code if isinstance(code, int) else 0


def _fail(sentence: str) -> int:
    print(f"Error: {' '.join(sentence.split())}", file=sys.stderr)
    return BAD_INPUT


def _words(error: Exception) -> str:
    return str(getattr(error, "format_message", lambda: error)()).rstrip(".")


def _usage(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "sspe"
    return f"{_words(error)}; see {command} --help."
