"""Choice of the computing device."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from ..errors import DeviceError
from ..options import DeviceName

if TYPE_CHECKING:
    import torch


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
