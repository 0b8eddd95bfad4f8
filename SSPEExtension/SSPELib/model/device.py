"""Choice of the computing device."""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
import threading
from typing import TYPE_CHECKING, get_args

from ..errors import DeviceError
from ..options import DeviceName

if TYPE_CHECKING:
    import torch

LIBRARY = __name__.split(".")[0]
# How long a thread that imports may keep others from the interpreter.
SHORT_TURN_S = 0.0002


def choose_device(name: str) -> tuple[torch.device, str | None]:
    """Return the device and, where auto finds no GPU, a warning in plain words.

    Raises:
        DeviceError: the device asked for is unknown or not on this machine.
    """
    import torch

    if name not in get_args(DeviceName):
        raise DeviceError(f"The device {name!r} is unknown. Choose one of {', '.join(get_args(DeviceName))}.")
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        for gpu in ("cuda", "mps"):
            if present[gpu]:
                return torch.device(gpu), None
        return torch.device("cpu"), "No GPU was found, so the work runs on the CPU and takes longer."
    if not present[name]:
        kind = {"cuda": "NVIDIA GPU (CUDA)", "mps": "Apple GPU (MPS)"}[name]
        raise DeviceError(
            f"The device {name} was asked for, but PyTorch {torch.__version__} finds no {kind} on this computer. "
            "Choose auto or cpu, or install a PyTorch build that fits the GPU."
        )
    return torch.device(name), None


def load_ahead(*modules: str) -> None:
    """Begin to import PyTorch, which takes longer than a volume to be read and checked, beside which it is done.

    Args:
        modules: of the library, to be imported after it.
    """

    def load() -> None:
        # What is imported stays: to look for garbage in it costs a fifth of the time, and half a second at the end.
        gc.disable()
        # The work beside needs the interpreter often, and only for a moment.
        patience = sys.getswitchinterval()
        sys.setswitchinterval(SHORT_TURN_S)
        try:
            with contextlib.suppress(ImportError):  # who needs it will tell
                for name in ("torch", *modules):
                    importlib.import_module(name, LIBRARY)
        finally:
            sys.setswitchinterval(patience)
            gc.freeze()
            gc.enable()

    threading.Thread(target=load).start()


def computes_bf16() -> bool:
    """Tell whether the CPU has instructions for bfloat16.

    A processor of which PyTorch knows nothing is taken to have them; a PyTorch too old to tell, as 2.4, goes without.
    """
    import torch

    if not hasattr(torch.cpu, "get_capabilities"):
        return False
    capabilities = torch.cpu.get_capabilities()
    return capabilities.get("architecture") != "x86_64" or any(capabilities[n] for n in ("avx512_bf16", "amx_bf16"))


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that the memory of the GPU ran out."""
    import torch

    return isinstance(error, torch.cuda.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "out of memory" in str(error).lower()
    )
