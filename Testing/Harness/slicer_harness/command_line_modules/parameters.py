"""What a command-line module takes: parameter names and types, checked strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import slicer

# Kinds of parameters that are nodes, and the node classes that go in.
NODE_CLASSES = {
    "image": ("vtkMRMLScalarVolumeNode",),
    "transform": ("vtkMRMLTransformNode",),
    "linear transform": ("vtkMRMLLinearTransformNode",),
}


@dataclass(frozen=True)
class CliParameter:
    """One parameter; `simulated` is False for those that the real module has and the stand-in does not act on."""

    kind: str
    default: Any = None
    choices: tuple[str, ...] = ()
    output: bool = False
    simulated: bool = True


class CliParameterError(ValueError):
    """A parameter name or value that the real command-line module would not take."""


def checkedParameters(moduleName: str, known: Mapping[str, CliParameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns all parameters with their values; nodes as node objects. Raises CliParameterError."""
    values = {name: parameter.default for name, parameter in known.items()}
    for name, value in given.items():
        if name not in known:
            raise CliParameterError(f"{moduleName} has no parameter '{name}'")
        parameter = known[name]
        checked = _checked(f"{moduleName} parameter '{name}'", parameter, value)
        if not parameter.simulated and checked != parameter.default:
            raise CliParameterError(f"{moduleName} parameter '{name}' is not simulated by the harness")
        values[name] = checked
    return values


def _checked(label: str, parameter: CliParameter, value: Any) -> Any:
    if parameter.kind in NODE_CLASSES:
        return _checkedNode(label, parameter, value)
    expected = {"integer": int, "double": (int, float), "boolean": bool, "string": str, "choice": str}[parameter.kind]
    isWrongBool = isinstance(value, bool) and parameter.kind != "boolean"
    if not isinstance(value, expected) or isWrongBool:
        raise CliParameterError(f"{label} is of type {parameter.kind}, got {value!r}")
    if parameter.choices and value not in parameter.choices:
        raise CliParameterError(f"{label} is one of {', '.join(parameter.choices)}, got {value!r}")
    return float(value) if parameter.kind == "double" else value


def _checkedNode(label: str, parameter: CliParameter, value: Any) -> Any:
    if value is None or value == "":
        return None
    node = slicer.mrmlScene.GetNodeByID(value) if isinstance(value, str) else value
    classes = NODE_CLASSES[parameter.kind]
    if node is None:
        raise CliParameterError(f"{label}: there is no node {value!r}")
    if not isinstance(node, slicer.vtkMRMLNode) or not any(node.IsA(name) for name in classes):
        raise CliParameterError(f"{label} is a {' or '.join(classes)}, got {value!r}")
    if not parameter.output and node.IsA("vtkMRMLVolumeNode") and node.GetImageData() is None:
        raise CliParameterError(f"{label}: the volume {node.GetName()} has no image")
    return node
