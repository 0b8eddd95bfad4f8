"""`SampleData`: registration of data sets, and their download from folders that a test serves."""

from __future__ import annotations

import logging
import os
import shutil
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import slicer

_ATTEMPTS = 3

_servedFolder: Path | None = None


def serveFrom(folder: str | os.PathLike[str] | None) -> None:
    """Test support: files of http(s) URIs are taken from this folder by their last path component."""
    global _servedFolder
    _servedFolder = None if folder is None else Path(folder)


def _asList(value: Any) -> list[Any]:
    return [value] if value is None or isinstance(value, str) else list(value)


@dataclass
class SampleDataSource:
    sampleName: str
    uris: list[str]
    fileNames: list[str | None]
    nodeNames: list[str | None]
    checksums: list[str | None]
    loadFiles: list[bool | None]
    loadFileTypes: list[str | None]
    loadFileProperties: dict[str, Any] = field(default_factory=dict)
    thumbnailFileName: str | None = None
    sampleDescription: str = ""
    customDownloader: Any = None


class SampleDataLogic:
    @staticmethod
    def registerCustomSampleDataSource(
        category: str = "Custom",
        sampleName: str | None = None,
        uris: str | Sequence[str] | None = None,
        fileNames: str | Sequence[str] | None = None,
        nodeNames: str | Sequence[str] | None = None,
        customDownloader: Any = None,
        thumbnailFileName: str | None = None,
        loadFileType: str | Sequence[str] = "VolumeFile",
        loadFiles: bool | Sequence[bool] | None = None,
        loadFileProperties: dict[str, Any] | None = None,
        checksums: str | Sequence[str] | None = None,
        sampleDescription: str | None = None,
    ) -> None:
        """Adds a data set to `slicer.modules.sampleDataSources`; what does not fit together is an error."""
        if not sampleName:
            raise ValueError("A sample data set needs a sampleName")
        addresses = [] if uris is None else _asList(uris)
        count = max(1, len(addresses))
        columns = {
            "fileNames": _asList(fileNames),
            "nodeNames": _asList(nodeNames),
            "checksums": _asList(checksums),
        }
        for name, column in columns.items():
            if column == [None]:
                columns[name] = [None] * count
            elif len(column) != count:
                raise ValueError(f"Sample data {sampleName}: {count} uris, but {len(column)} {name}")
        for checksum in columns["checksums"]:
            if checksum is not None:
                slicer.util.extractAlgoAndDigest(checksum)
        if thumbnailFileName is not None and not Path(thumbnailFileName).is_file():
            raise FileNotFoundError(f"Sample data {sampleName}: there is no thumbnail {thumbnailFileName}")
        if not addresses and customDownloader is None:
            raise ValueError(f"Sample data {sampleName} has neither uris nor a customDownloader")
        types = [loadFileType] if isinstance(loadFileType, str) else list(loadFileType)
        flags = [loadFiles] if loadFiles is None or isinstance(loadFiles, bool) else list(loadFiles)
        source = SampleDataSource(
            sampleName,
            addresses,
            columns["fileNames"],
            columns["nodeNames"],
            columns["checksums"],
            flags * count if len(flags) == 1 else flags,
            types * count if len(types) == 1 else types,
            dict(loadFileProperties or {}),
            thumbnailFileName,
            sampleDescription or "",
            customDownloader,
        )
        sources = slicer.modules.__dict__.setdefault("sampleDataSources", {})
        sources.setdefault(category, []).append(source)

    @staticmethod
    def sourceForSampleName(sampleName: str) -> SampleDataSource | None:
        for sources in slicer.modules.__dict__.get("sampleDataSources", {}).values():
            for source in sources:
                if source.sampleName == sampleName:
                    return source
        return None

    def downloadSamples(self, sampleName: str) -> list[Any]:
        """Returns the loaded nodes (or file paths, where a file is not to be loaded)."""
        source = self.sourceForSampleName(sampleName)
        if source is None:
            raise ValueError(f"There is no sample data named {sampleName}")
        return self.downloadFromSource(source)

    def downloadSample(self, sampleName: str) -> Any:
        """As seen in Slicer: IndexError where the download failed."""
        return self.downloadSamples(sampleName)[0]

    def downloadFromSource(self, source: SampleDataSource) -> list[Any]:
        if source.customDownloader is not None:
            return source.customDownloader(source)
        results: list[Any] = []
        for index, uri in enumerate(source.uris):
            path = self._fetchPatiently(uri, source.fileNames[index], source.checksums[index])
            if path is None:
                return []
            load = source.loadFiles[index]
            if load is False:
                results.append(str(path))
                continue
            properties = dict(source.loadFileProperties)
            if source.nodeNames[index]:
                properties["name"] = source.nodeNames[index]
            results.append(slicer.util.loadNodeFromFile(str(path), source.loadFileTypes[index], properties))
        return results

    def _fetchPatiently(self, uri: str, fileName: str | None, checksum: str | None) -> Path | None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._fetch(uri, fileName, checksum)
            except (OSError, RuntimeError, ValueError) as error:
                logging.error("Download %d of %s failed: %s", attempt, uri, error)
        return None

    def _fetch(self, uri: str, fileName: str | None, checksum: str | None) -> Path:
        parts = urllib.parse.urlparse(uri)
        name = urllib.parse.unquote(Path(parts.path).name)
        if parts.scheme == "file":
            origin = Path(urllib.parse.unquote(parts.path))
        elif _servedFolder is None:
            raise RuntimeError(f"The harness downloads nothing: no folder serves {uri}")
        else:
            origin = _servedFolder / (fileName or name)
        if not origin.is_file():
            raise RuntimeError(f"Download of {uri} failed: there is no {origin}")
        target = Path(slicer.app.cachePath) / (fileName or name)
        shutil.copyfile(origin, target)
        if checksum is not None:
            algorithm, digest = slicer.util.extractAlgoAndDigest(checksum)
            actual = slicer.util.computeChecksum(algorithm, str(target))
            if actual.lower() != digest.lower():
                raise ValueError(f"{uri}: the checksum is {algorithm}:{actual}, expected {checksum}")
        return target


def downloadSample(sampleName: str) -> Any:
    return SampleDataLogic().downloadSample(sampleName)


def downloadSamples(sampleName: str) -> list[Any]:
    return SampleDataLogic().downloadSamples(sampleName)
