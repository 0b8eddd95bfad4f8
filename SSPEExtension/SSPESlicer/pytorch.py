"""PyTorch in Slicer: is it there, which device does it find, and installing it through the PyTorch extension."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from typing import Any

import slicer
from slicer.i18n import tr as _

from SSPELib.errors import SSPEError

from .background import BackgroundJob, Event

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
    if logic.installTorch(askConfirmation=True, torchVersionRequirement=TORCH_REQUIREMENT) is None:
        raise SSPEError(_("PyTorch was not installed. SSPE needs it to expand volumes and to register them."))


class DeviceCheck:
    """Asks PyTorch for its device in a process of its own."""

    def __init__(self) -> None:
        self._job: BackgroundJob | None = None

    def start(self, onEnd: Callable[[str | None, Exception | None], None]) -> None:
        """Begin; onEnd gets a sentence on the device, or the error."""
        self.cancel()
        self._job = BackgroundJob()
        self._job.start({"task": "device"}, _sentence, onEnd)

    def cancel(self) -> None:
        """Stop, if a check runs."""
        if self._job is not None and self._job.isRunning:
            self._job.cancel()


def _sentence(result: Event) -> Any:
    if result["device"] == "cpu":
        return _("CPU (no GPU that PyTorch can use was found)")
    return f"{result['name']} ({result['device']})"
