"""What the tests of the modules need, in 3D Slicer and on the harness: bodies made by code, a worker at no cost."""

from .bodies import addNode, body, halves
from .cases import PanelTest, SelfTest, requireToolTips, saveAndReload, torchIsInstalled, waitFor
from .stand_in import VERDICT, AnsweringProcess, registeredBy

__all__ = [
    "VERDICT",
    "AnsweringProcess",
    "PanelTest",
    "SelfTest",
    "addNode",
    "body",
    "halves",
    "registeredBy",
    "requireToolTips",
    "saveAndReload",
    "torchIsInstalled",
    "waitFor",
]
