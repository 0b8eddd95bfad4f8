"""The sample data of SSPE in Slicer's module Sample Data. Testing/make_sample_data.py makes the files."""

from __future__ import annotations

import json
from pathlib import Path

CATALOG_FILE = Path(__file__).with_name("sample_data.json")
PARTS = ("SSPEUpperChest", "SSPELowerChest")


def registerSampleData(iconsFolder: str) -> None:
    """Register the data sets of the catalog with their checksums and thumbnails."""
    import SampleData

    catalog = json.loads(CATALOG_FILE.read_text(encoding="utf-8"))
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
