"""PyTorch in Slicer: is it there, which device does it find, and installing it through the PyTorch extension."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from typing import Any

import slicer
from slicer.i18n import tr as _

from SSPELib.errors import SSPEError

from ..jobs.background import BackgroundJob, Event
from ..jobs.warm import endKept

TORCH_REQUIREMENT = ">=2.4"


def torchVersion() -> str | None:
    """Return the installed version without loading PyTorch, which takes seconds and locks its files."""
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return None


def isTorchExtensionInstalled() -> bool:
    """Tell whether Slicer has the PyTorch extension."""
    return hasattr(slicer.modules, "pytorchutils")


def installTorch() -> None:
    """Install PyTorch through the PyTorch extension, which asks before it downloads.

    Raises:
        SSPEError: the extension is missing, or nothing was installed.
    """
    if not isTorchExtensionInstalled():
        raise SSPEError(_("Install the PyTorch extension (Extensions Manager) and restart Slicer first."))
    import PyTorchUtils

    logic = PyTorchUtils.PyTorchUtilsLogic()
    # It may hold files of a version that is to be replaced.
    endKept()
    if logic.installTorch(askConfirmation=True, torchVersionRequirement=TORCH_REQUIREMENT) is None:
        raise SSPEError(_("PyTorch was not installed. SSPE needs it to expand volumes and to register them."))


def checkDevice(onEnd: Callable[[str | None, Exception | None], None]) -> BackgroundJob:
    """Ask PyTorch for its device in a process of its own; onEnd gets a sentence on it, or the error."""
    job = BackgroundJob()
    job.start({"task": "device"}, _sentence, onEnd)
    return job


def _sentence(result: Event) -> Any:
    if result["device"] == "cpu":
        return _("CPU (no GPU that PyTorch can use was found)")
    return f"{result['name']} ({result['device']})"
