"""A training of a tiny system on one phantom."""

from __future__ import annotations

from pathlib import Path

from phantoms import torso, write


def configuration(folder: Path, iterations: int, **schedule: object) -> Path:
    """A tiny run on one phantom; returns the path of its TOML file."""
    data = folder / "data"
    if not data.exists():
        data.mkdir(parents=True)
        write(torso(), data / "one.nii.gz")
    settings = {"iterations": iterations, "cosine": "false", "warm_up": 1, **schedule}
    lines = "\n".join(f"{name} = {value}" for name, value in settings.items())
    path = folder / "run.toml"
    path.write_text(
        f"""
name = "tiny"
output = "run"
precision = "32-true"
[generator]
base = 2
depth = 2
bottom_blocks = 1
[discriminator]
base = 2
depth = 2
[scope]
size = [16, 16, 16]
step = 8
shortest_context = 6
[data]
sources = [{{ pattern = "one.nii.gz", shows = "a made-up torso", license = "public domain" }}]
validation = [{{ pattern = "one.nii.gz" }}]
[card]
limits = "phantoms only"
license = "CC0-1.0"
[schedule]
{lines}
[logging]
log_every = 1
validate_every = 4
validation_scopes = 2
checkpoint_every = 4
""",
        encoding="utf-8",
    )
    return path
