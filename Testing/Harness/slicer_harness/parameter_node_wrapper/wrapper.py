"""The decorator that turns a class of type hints into typed access to a parameter node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from .gui_connectors import GuiConnection, connectedWidgets
from .parameter_types import ParameterType, fieldsOf
from .validators import Default

_MUTATORS = {
    list: ("append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse", "__setitem__", "__delitem__"),
    dict: ("update", "pop", "popitem", "clear", "setdefault", "__setitem__", "__delitem__"),
}


def parameterNodeWrapper(cls: type) -> type:
    """The class gets a constructor that takes a vtkMRMLScriptedModuleNode, and an attribute for each type hint."""
    fields = fieldsOf(cls)
    if not fields:
        raise ValueError(f"{cls.__name__} declares no parameters")
    reserved = [name for name in fields if hasattr(ParameterNodeWrapperBase, name)]
    if reserved:
        raise ValueError(f"{cls.__name__}: parameters cannot be named {', '.join(reserved)}")
    members = {name: member for name, member in cls.__dict__.items() if name not in fields}
    for name in ("__dict__", "__weakref__"):
        members.pop(name, None)
    members["_fields"] = fields
    for name in fields:
        members[name] = _parameterProperty(name)
    return type(cls.__name__, (ParameterNodeWrapperBase, *cls.__bases__[:-1]), members)


def isParameterNodeWrapper(candidate: Any) -> bool:
    kind = candidate if isinstance(candidate, type) else type(candidate)
    return issubclass(kind, ParameterNodeWrapperBase)


def _parameterProperty(name: str) -> property:
    return property(lambda self: self.getValue(name), lambda self, value: self.setValue(name, value))


class ParameterNodeWrapperBase:
    _fields: ClassVar[dict[str, ParameterType]] = {}

    def __init__(self, parameterNode: Any, prefix: str | None = None) -> None:
        if not hasattr(parameterNode, "GetParameterNames"):
            raise TypeError(f"A parameter node wrapper wraps a vtkMRMLScriptedModuleNode, got {parameterNode!r}")
        self._prefix = f"{prefix}." if prefix else ""
        self._connections: dict[int, list[GuiConnection]] = {}
        self._nextTag = 1
        self.parameterNode = parameterNode
        wasModified = parameterNode.StartModify()
        for name, field in self._fields.items():
            if not field.isIn(parameterNode, self._prefix + name):
                value = field.default
                field.validate(value)
                if value is not None or not field.isNode:
                    field.write(parameterNode, self._prefix + name, value)
        parameterNode.EndModify(wasModified)

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and name != "parameterNode" and not hasattr(type(self), name):
            raise AttributeError(f"{type(self).__name__} has no parameter '{name}'")
        object.__setattr__(self, name, value)

    def _field(self, name: str) -> ParameterType:
        if name not in self._fields:
            raise ValueError(f"{type(self).__name__} has no parameter '{name}'")
        return self._fields[name]

    def getValue(self, name: str) -> Any:
        value = self._field(name).read(self.parameterNode, self._prefix + name)
        if isinstance(value, (list, dict)):
            return _watched(value, lambda changed: self.setValue(name, changed))
        return value

    def setValue(self, name: str, value: Any) -> None:
        field = self._field(name)
        field.validate(value)
        field.write(self.parameterNode, self._prefix + name, value)

    def default(self, name: str) -> Default:
        return Default(self._field(name).default)

    def dataType(self, name: str) -> Any:
        return self._field(name).plain

    # The node's own interface, as VTKObservationMixin and slicer.util.NodeModify use it

    def AddObserver(self, event: Any, callback: Any, priority: float = 0.0) -> int:
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)

    def StartModify(self) -> int:
        return self.parameterNode.StartModify()

    def EndModify(self, wasModified: int) -> int:
        return self.parameterNode.EndModify(wasModified)

    def Modified(self) -> None:
        self.parameterNode.Modified()

    # Widgets

    def connectGui(self, gui: Any) -> int:
        """Connects the widgets of a panel that name a parameter in their property SlicerParameterName."""
        return self._connect(connectedWidgets(gui))

    def connectParametersToGui(self, mapping: Mapping[str, Any]) -> int:
        return self._connect(list(mapping.items()))

    def _connect(self, pairs: list[tuple[str, Any]]) -> int:
        connections = [GuiConnection(self, name, self._field(name), widget) for name, widget in pairs]
        for connection in connections:
            connection.open()
        tag, self._nextTag = self._nextTag, self._nextTag + 1
        self._connections[tag] = connections
        return tag

    def disconnectGui(self, tag: int) -> None:
        if tag not in self._connections:
            raise ValueError(f"There is no connection {tag} to take back")
        for connection in self._connections.pop(tag):
            connection.close()


def _watched(value: Any, onChange: Any) -> Any:
    """A list or dict that is written back to the node when it is changed in place."""
    kind = type(value)

    def watch(name: str) -> Any:
        original = getattr(kind, name)

        def change(self: Any, *arguments: Any, **options: Any) -> Any:
            result = original(self, *arguments, **options)
            onChange(kind(self))
            return result

        return change

    return type(f"Watched{kind.__name__}", (kind,), {name: watch(name) for name in _MUTATORS[kind]})(value)
