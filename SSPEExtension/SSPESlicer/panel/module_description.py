"""What Slicer shows of the modules beside their panels: category, authors, help and acknowledgement."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _
from slicer.i18n import translate


def describeModule(parent: Any, title: str, helpText: str, dependencies: tuple[str, ...] = ()) -> None:
    """Fill in the description of a module of SSPE."""
    parent.title = title
    parent.categories = [translate("qSlicerAbstractCoreModule", "Registration")]
    parent.dependencies = list(dependencies)
    parent.contributors = [_("SSPE contributors")]
    parent.helpText = helpText
    parent.acknowledgementText = _(
        "<p>SSPE is free software under the Apache License 2.0 by the SSPE contributors. It is a new implementation of "
        "the method of Z. Liu, Y. Pan and Y. Xia, <i>Structure-Preserve Expansion for Medical Image Registration with "
        "Minimal Overlap</i>. If you use it in your work, please cite that paper.</p>"
        "<p>It stands on 3D Slicer, SimpleITK, PyTorch and BRAINSFit.</p>"
    )
