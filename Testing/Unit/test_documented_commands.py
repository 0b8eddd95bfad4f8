"""Every command that a document or a help text shows is there, with every option that it is shown with."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from SSPELib.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
# Indented or in a fence as a line of its own, or in backticks.
SHOWN = re.compile(r"(?:^|`|Example: |bin/)(sspe [a-z][^`|]*)")


def shown(text: str) -> list[list[str]]:
    """The commands in a text, split as a shell does."""
    lines = text.replace("\\\n", " ").splitlines()
    return [shlex.split(command) for line in lines for command in SHOWN.findall(line.strip())]


def documents() -> Iterator[tuple[str, str]]:
    """Name and text of all documents, and of the help of all commands."""
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")):
        yield path.name, path.read_text(encoding="utf-8")
    yield from helps("sspe", typer.main.get_command(app))


def helps(name: str, command: Any) -> Iterator[tuple[str, str]]:
    """Name and help of a command and those below it."""
    yield name, command.help or ""
    for below in getattr(command, "commands", {}).values():
        yield from helps(f"{name} {below.name}", below)


def wrong_in(words: list[str]) -> str:
    """What of a command is not there; empty where all is."""
    command, rest = typer.main.get_command(app), words[1:]
    while rest and hasattr(command, "commands"):
        if rest[0] not in command.commands:
            return rest[0]
        command, rest = command.commands[rest[0]], rest[1:]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    options = {word.split("=")[0] for word in rest if word.startswith("--")}
    return " ".join(sorted(options - known - {"--help"}))


def test_documented_commands_are_there() -> None:
    commands = [(name, words) for name, text in documents() for words in shown(text)]
    assert len(commands) > 60
    assert [(name, words, wrong_in(words)) for name, words in commands if wrong_in(words)] == []


def test_a_command_or_option_that_is_not_there_is_found() -> None:
    assert wrong_in(["sspe", "grow", "a.nii"]) == "grow"
    assert wrong_in(["sspe", "expand", "a.nii", "b.nii", "--direction", "inferior", "--speed=2"]) == "--speed"
