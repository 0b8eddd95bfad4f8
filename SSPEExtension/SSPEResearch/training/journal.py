"""What a training run writes while it runs: CSV files, curves for TensorBoard where it is installed, and pictures."""

from __future__ import annotations

import csv
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from SSPELib.hounsfield import HU_SCALE

WINDOW_HU = (-500.0, 800.0)
PIXELS_A_VOXEL = 3
GAP_VOXELS = 2


class Journal:
    """The log of a run in its folder; a resumed run continues it.

    Args:
        folder: the run's folder.
        iteration: iteration from which the run goes on; later rows of an interrupted run are dropped.
    """

    def __init__(self, folder: Path, iteration: int) -> None:
        self.folder = folder
        for file in folder.glob("*.csv"):
            _drop_after(file, iteration)
        self.board = _tensorboard(folder / "tensorboard", iteration)

    def row(self, name: str, iteration: int, values: dict[str, float]) -> None:
        """Append a row to NAME.csv and a point to each TensorBoard curve NAME/VALUE."""
        path = self.folder / f"{name}.csv"
        fresh = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, ["iteration", *values])
            if fresh:
                writer.writeheader()
            writer.writerow({"iteration": iteration, **{key: round(value, 6) for key, value in values.items()}})
        if self.board is not None:
            for key, value in values.items():
                self.board.add_scalar(f"{name}/{key}", value, iteration)
            self.board.flush()

    def sample(self, name: str, iteration: int, scopes: list[Tensor]) -> None:
        """Write samples/NAME-ITERATION.png: the mid-sagittal plane of scopes (1, z, y, x), HU / 1000, side by side."""
        image = sagittal_picture([scope.detach().float().cpu().numpy()[0] * HU_SCALE for scope in scopes])
        plain = "".join(letter if letter.isalnum() else "_" for letter in name)
        path = self.folder / "samples" / f"{plain}-{iteration:06d}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(_png(image))
        if self.board is not None:
            self.board.add_image(f"samples/{plain}", image[None], iteration)

    def close(self) -> None:
        """Write what is still kept back."""
        if self.board is not None:
            self.board.close()


def sagittal_picture(scopes: list[NDArray[np.floating]]) -> NDArray[np.uint8]:
    """Planes through the middle column of scopes (z, y, x) in HU, side by side, the direction of growth upward."""
    low, high = WINDOW_HU
    gap = np.full((scopes[0].shape[0], GAP_VOXELS), high)
    planes = [part for scope in scopes for part in (scope[::-1, :, scope.shape[2] // 2], gap)][:-1]
    gray = np.clip((np.concatenate(planes, axis=1) - low) / (high - low), 0, 1) * 255
    return gray.astype(np.uint8).repeat(PIXELS_A_VOXEL, axis=0).repeat(PIXELS_A_VOXEL, axis=1)


def _tensorboard(folder: Path, iteration: int) -> Any:
    """A writer of curves that go on from an iteration; None where TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=iteration + 1)


def _png(gray: NDArray[np.uint8]) -> bytes:
    """A gray picture (row, column) as PNG, which no package of a bare machine writes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = gray.shape
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    lines = np.pad(gray, ((0, 0), (1, 0))).tobytes()
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _drop_after(file: Path, iteration: int) -> None:
    """Drop rows later than an iteration, which an interrupted run wrote after its last checkpoint."""
    head, *rows = file.read_text(encoding="utf-8").splitlines()
    kept = [row for row in rows if int(row.split(",", 1)[0]) <= iteration]
    if len(kept) < len(rows):
        partial = file.with_suffix(".part")
        partial.write_text("\n".join([head, *kept]) + "\n", encoding="utf-8")
        partial.replace(file)
