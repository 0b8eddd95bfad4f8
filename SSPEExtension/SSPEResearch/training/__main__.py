"""Training where PyTorch, NumPy and the standard library are all there is: python -m SSPEResearch.training ..."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from SSPELib.errors import SSPEError


def main() -> int:
    """Run a command and return its exit code: 0 done, 2 bad input."""
    parser = argparse.ArgumentParser(prog="python -m SSPEResearch.training", description=__doc__)
    commands = parser.add_subparsers(required=True)
    piece = commands.add_parser("campaign", help="go on with a campaign for some minutes")
    piece.add_argument("campaign")
    piece.add_argument("--volumes", type=Path, required=True, help="file of sspe prepare")
    piece.add_argument("--minutes", type=float, required=True)
    piece.add_argument("--output", type=Path, default=Path("runs"))
    piece.add_argument("--export", type=Path, help="folder for what is to be sent back")
    piece.set_defaults(run=_campaign)
    speed = commands.add_parser("benchmark", help="measure how fast a configuration trains here")
    speed.add_argument("config")
    speed.add_argument("--device", default="auto")
    speed.add_argument("--batch", type=int, nargs="+", default=[1])
    speed.add_argument("--compile", nargs="+", default=["no"])
    speed.add_argument("--seconds", type=float, default=20.0)
    speed.add_argument("--profile", action="store_true")
    speed.set_defaults(run=_benchmark)
    sent = commands.add_parser("unpack", help="join what was sent back")
    sent.add_argument("parts", type=Path)
    sent.add_argument("--output", type=Path, default=Path("runs"))
    sent.set_defaults(run=_unpack)
    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
    except SSPEError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    return 0


def _campaign(given: argparse.Namespace) -> None:
    campaign(given.campaign, given.volumes, given.minutes, given.output, given.export)


def campaign(name: str, volumes: Path, minutes: float, output: Path, export: Path | None) -> None:
    """Go on with a campaign and, where wanted, pack what is to be sent back."""
    from .campaign import find_campaign, run_campaign, stages
    from .travel import pack
    from .volumes import load_volumes

    found = run_campaign(stages(find_campaign(name)), load_volumes(volumes), output, minutes)
    for stage, became in found.items():
        print(f"{stage}: {became}")
    if export is not None:
        parts, waiting = pack(output, export)
        for part in parts:
            print(f"{part}, {part.stat().st_size / 2**20:.1f} MiB")
        for name in waiting:
            print(f"{name} did not fit; the same command again sends it")


def _benchmark(given: argparse.Namespace) -> None:
    benchmark(given.config, given.device, given.batch, given.compile, given.seconds, given.profile)


def benchmark(name: str, device: str, batches: list[int], modes: list[str], seconds: float, profile: bool) -> None:
    """Print a line of figures for every mode of compilation and batch."""
    from SSPELib.model.device import choose_device

    from .benchmark import HEADER, measure
    from .config import find_config, read_config

    place = choose_device(device)[0]
    print(HEADER, flush=True)
    for mode in modes:
        config = read_config(find_config(name), {"compile": mode})
        for batch in batches:
            sized = replace(config, schedule=replace(config.schedule, batch=batch))
            print(measure(sized, place, seconds, profile).line(), flush=True)


def _unpack(given: argparse.Namespace) -> None:
    from .travel import unpack

    for name in unpack(given.parts, given.output):
        print(given.output / name)


if __name__ == "__main__":
    raise SystemExit(main())
