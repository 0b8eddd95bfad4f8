"""How a parameter of each type is kept in a parameter node: as text, or as a node reference."""

from __future__ import annotations

import enum
import json
import pathlib
import types
import typing
from typing import Any

import slicer

from .validators import Default, FloatRange, IsInstance, NotNone, Validator

_PATHS = (
    pathlib.Path,
    pathlib.PosixPath,
    pathlib.WindowsPath,
    pathlib.PurePath,
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
)
_SCALARS: dict[type, Any] = {int: 0, float: 0.0, str: "", bool: False}


class ParameterType:
    """A type hint taken apart: the plain type, whether None is allowed, the annotations."""

    def __init__(self, hint: Any) -> None:
        self.annotations: tuple[Any, ...] = ()
        if typing.get_origin(hint) is typing.Annotated:
            hint, *annotations = typing.get_args(hint)
            self.annotations = tuple(annotations)
        options = _unionOptions(hint)
        self.optional = type(None) in options
        self.options = tuple(option for option in options if option is not type(None))
        self.plain = self.options[0]
        self.origin = typing.get_origin(self.plain)
        self.isNode = all(
            isinstance(option, type) and issubclass(option, slicer.vtkMRMLNode) for option in self.options
        )
        self.items = [ParameterType(item) for item in typing.get_args(self.plain)] if self.origin else []
        self.validators = self._implicitValidators() + [
            annotation for annotation in self.annotations if isinstance(annotation, Validator)
        ]
        self._requireSupport(hint)

    def _requireSupport(self, hint: Any) -> None:
        if self.isNode:
            return
        if len(self.options) > 1:
            raise TypeError(f"The harness keeps no parameter of the union type {hint}")
        nodesInside = any(item.isNode for item in self.items)
        if self.origin in (list, tuple, dict) and not (nodesInside and self.origin is not list):
            return
        if isinstance(self.plain, type) and (
            self.plain in _SCALARS or self.plain in _PATHS or issubclass(self.plain, (enum.Enum, FloatRange))
        ):
            return
        raise TypeError(f"A parameter node keeps no values of type {hint}")

    def _implicitValidators(self) -> list[Validator]:
        if self.isNode:
            return [IsInstance(self.options)]
        plain = self.origin or self.plain
        accepted = (float, int) if plain is float else plain
        required: list[Validator] = [] if self.optional else [NotNone()]
        return [*required, IsInstance(accepted)]

    def validate(self, value: Any) -> None:
        for validator in self.validators:
            if value is not None or isinstance(validator, NotNone):
                validator.validate(value)
        if self.origin is list:
            for item in value or ():
                self.items[0].validate(item)
        elif self.origin is tuple and value is not None:
            if len(value) != len(self.items):
                raise ValueError(f"Value must have {len(self.items)} items, has {len(value)}")
            for itemType, item in zip(self.items, value, strict=True):
                itemType.validate(item)

    @property
    def default(self) -> Any:
        for annotation in self.annotations:
            if isinstance(annotation, Default):
                return annotation.value
        if self.optional or self.isNode:
            return None
        if self.origin is tuple:
            return tuple(item.default for item in self.items)
        if self.origin is not None:
            return self.origin()
        if isinstance(self.plain, type) and issubclass(self.plain, enum.Enum):
            return next(iter(self.plain))
        return _SCALARS[self.plain] if self.plain in _SCALARS else self.plain()

    # In the node

    def isIn(self, node: Any, name: str) -> bool:
        if self.isNode or self._isNodeList:
            return node.GetNumberOfNodeReferences(name) > 0
        return name in node.GetParameterNames()

    @property
    def _isNodeList(self) -> bool:
        return self.origin is list and self.items[0].isNode

    def write(self, node: Any, name: str, value: Any) -> None:
        if self.isNode:
            node.SetNodeReferenceID(name, None if value is None else value.GetID())
        elif self._isNodeList:
            wasModified = node.StartModify()
            node.RemoveNodeReferenceIDs(name)
            for item in value:
                node.AddNodeReferenceID(name, item.GetID())
            node.EndModify(wasModified)
        else:
            node.SetParameter(name, self._toText(value))

    def read(self, node: Any, name: str) -> Any:
        if self.isNode:
            return node.GetNodeReference(name)
        if self._isNodeList:
            return [node.GetNthNodeReference(name, index) for index in range(node.GetNumberOfNodeReferences(name))]
        return self._fromText(node.GetParameter(name))

    def _toText(self, value: Any) -> str:
        if self.optional and value is None:
            return "None"
        if self.plain is str:
            return str(value)
        return json.dumps(self._toJson(value))

    def _fromText(self, text: str) -> Any:
        if self.optional and text == "None":
            return None
        return text if self.plain is str else self._fromJson(json.loads(text))

    def _toJson(self, value: Any) -> Any:
        if value is None:
            return None
        if self.origin is list:
            return [self.items[0]._toJson(item) for item in value]
        if self.origin is tuple:
            return [kind._toJson(item) for kind, item in zip(self.items, value, strict=True)]
        if self.origin is dict:
            return [[self.items[0]._toJson(key), self.items[1]._toJson(item)] for key, item in value.items()]
        if isinstance(value, enum.Enum):
            return value.name
        if isinstance(value, FloatRange):
            return [value.minimum, value.maximum]
        return str(value) if self.plain in _PATHS else value

    def _fromJson(self, value: Any) -> Any:
        if value is None:
            return None
        if self.origin is list:
            return [self.items[0]._fromJson(item) for item in value]
        if self.origin is tuple:
            return tuple(kind._fromJson(item) for kind, item in zip(self.items, value, strict=True))
        if self.origin is dict:
            return {self.items[0]._fromJson(key): self.items[1]._fromJson(item) for key, item in value}
        if issubclass(self.plain, enum.Enum):
            return self.plain[value]
        if self.plain is FloatRange:
            return FloatRange(*value)
        return self.plain(value)


def _unionOptions(hint: Any) -> tuple[Any, ...]:
    isUnion = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return typing.get_args(hint) if isUnion else (hint,)


def fieldsOf(cls: type) -> dict[str, ParameterType]:
    """The parameters that a decorated class declares, in order; a value in the class body is the default."""
    hints = typing.get_type_hints(cls, include_extras=True)
    fields = {}
    for name, hint in hints.items():
        if hasattr(cls, name):
            value = cls.__dict__[name]
            hint = typing.Annotated[hint, value if isinstance(value, Default) else Default(value)]
        fields[name] = ParameterType(hint)
    return fields
