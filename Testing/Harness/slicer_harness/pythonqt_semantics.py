"""Makes PySide6 objects behave as PythonQt's do in Slicer.

Q_PROPERTYs are attributes (`button.text`, `box.checked = True`; setX() and isX() stay callable),
`connect('signal(type)', slot)` and `disconnect` work on every object, `className()` and `name` exist, and an attribute
or a signal that the class does not have is an error. The classes are changed once, in place, for the whole process.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import MethodDescriptorType, MethodType, ModuleType
from typing import Any

import shiboken6
from PySide6 import QtCore, QtGui, QtWidgets

_HARNESS_PACKAGE = __name__.partition(".")[0]
_STATIC_CONNECT = QtCore.QObject.connect
_STATIC_DISCONNECT = QtCore.QObject.disconnect

# Signals that PySide has and Slicer's Qt 5.15 has not.
_QT6_ONLY_SIGNALS = {"checkStateChanged(Qt::CheckState)"}

Slot = Callable[..., Any]
_newAttributesIgnored = False
_connections: dict[tuple[int, str], list[tuple[Slot, Any]]] = {}


class PropertyAttribute:
    """A Q_PROPERTY as an attribute of the object; asked of the class, it is still the C++ method."""

    def __init__(self, name: str, method: Any, setter: Slot | None, writable: bool) -> None:
        self.name = name
        self.method = method
        self.setter = setter
        self.writable = writable

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            if self.method is None:
                raise AttributeError(f"type object '{owner.__name__ if owner else ''}' has no attribute '{self.name}'")
            return self.method.__get__(None, owner)
        if isinstance(self.method, MethodDescriptorType):
            return self.method(instance)
        return instance.property(self.name)

    def __set__(self, instance: Any, value: Any) -> None:
        if not self.writable:
            raise AttributeError(f"Property '{self.name}' of {instance.className()} is read only")
        if self.setter is not None:
            self.setter(instance, value)
        elif not instance.setProperty(self.name, value):
            raise ValueError(f"Property '{self.name}' of {instance.className()} does not take {value!r}")


def install(modules: Iterable[ModuleType] = (QtCore, QtGui, QtWidgets)) -> None:
    """Changes the QObject classes of the PySide modules; doing it again changes nothing."""
    if "className" in QtCore.QObject.__dict__:
        return
    qobject: Any = QtCore.QObject
    qobject.className = lambda self: self.metaObject().className()
    qobject.name = property(lambda self: self.objectName, lambda self, value: self.setObjectName(value))
    qobject.delete = lambda self: shiboken6.delete(self)
    qobject.findChild = _acceptClassNames(QtCore.QObject.findChild)
    qobject.findChildren = _acceptClassNames(QtCore.QObject.findChildren)
    for module in modules:
        for name in dir(module):  # PySide loads its classes lazily: dir and getattr bring them in
            candidate = getattr(module, name)
            if isinstance(candidate, type) and issubclass(candidate, QtCore.QObject):
                _changeClass(candidate)


def _changeClass(qtClass: Any) -> None:
    metaObject = qtClass.staticMetaObject
    for index in range(metaObject.propertyCount()):
        metaProperty = metaObject.property(index)
        name = metaProperty.name()
        method = qtClass.__dict__.get(name)
        declaredHere = index >= metaObject.propertyOffset()
        if isinstance(method, PropertyAttribute) or not (declaredHere or method is not None):
            continue
        setter = getattr(qtClass, f"set{name[0].upper()}{name[1:]}", None)
        setattr(qtClass, name, PropertyAttribute(name, method, setter, metaProperty.isWritable()))
    qtClass.__setattr__ = _setAttribute
    _replaceConnectOfObjects(qtClass)


def _replaceConnectOfObjects(qtClass: Any) -> None:
    """PySide's generated attribute lookup finds its own `connect` before anything in the class: step in before it."""
    lookup = qtClass.__getattribute__

    def getAttribute(self: Any, name: str) -> Any:
        if name == "connect":
            return MethodType(connect, self)
        if name == "disconnect":
            return MethodType(disconnect, self)
        return lookup(self, name)

    qtClass.__getattribute__ = getAttribute


@contextmanager
def newAttributesIgnored() -> Iterator[None]:
    """PySide's QUiLoader sets every child as an attribute of the panel, which Slicer's does not: drop them."""
    global _newAttributesIgnored
    _newAttributesIgnored = True
    try:
        yield
    finally:
        _newAttributesIgnored = False


def _setAttribute(self: Any, name: str, value: Any) -> None:
    """As PythonQt: an attribute must exist, unless the object is of a Python class, which may have any."""
    cls = type(self)
    for base in cls.__mro__:
        if name in base.__dict__:
            descriptor = base.__dict__[name]
            if isinstance(descriptor, QtCore.Property):  # a property written in Python has no __set__
                if descriptor.fset is None:
                    raise AttributeError(f"Property '{name}' of {cls.__name__} is read only")
                descriptor.fset(self, value)
                return
            if hasattr(type(descriptor), "__set__"):
                descriptor.__set__(self, value)
                return
            break
    package = cls.__module__.partition(".")[0]
    if _newAttributesIgnored and not name.startswith("_"):
        return
    if package == "PySide6" or (package == _HARNESS_PACKAGE and not name.startswith("_")):
        raise AttributeError(f"'{name}' does not exist on {cls.__name__} and cannot be set")
    self.__dict__[name] = value


def _acceptClassNames(search: Slot) -> Slot:
    """PythonQt takes a class name where PySide takes the class."""

    def searchByNameOrClass(self: QtCore.QObject, kind: Any, *arguments: Any, **options: Any) -> Any:
        if not isinstance(kind, str):
            return search(self, kind, *arguments, **options)
        found = search(self, QtCore.QObject, *arguments, **options)
        if isinstance(found, list):
            return [child for child in found if child.inherits(kind)]
        return found if found is not None and found.inherits(kind) else None

    return searchByNameOrClass


def connect(self: QtCore.QObject, signature: Any, *target: Any) -> bool:
    """`connect('clicked()', slot)` or `connect('toggled(bool)', receiver, 'setVisible(bool)')`."""
    if isinstance(signature, QtCore.QObject):  # PySide's own QTimer.singleShot connects with the static signature
        return bool(_STATIC_CONNECT(signature, *target))
    if len(target) == 2:
        return _connectToNamedSlot(self, signature, *target)
    if len(target) != 1 or not callable(target[0]):
        raise TypeError(f"connect('{signature}', ...) needs one callable slot, got {target!r}")
    slot = target[0]
    normalized = normalizedSignature(signature)
    bound = _mappedSignal(self, normalized)
    call = _withTrimmedArguments(slot)
    if bound is not None:
        connection = bound.connect(call)
    else:
        _requireSignal(self, normalized)
        connection = _STATIC_CONNECT(self, QtCore.SIGNAL(normalized), call)
    pointer = shiboken6.getCppPointer(self)[0]
    if not any(key[0] == pointer for key in _connections):
        _STATIC_CONNECT(self, QtCore.SIGNAL("destroyed()"), lambda: _forget(pointer))
    _connections.setdefault((pointer, normalized), []).append((slot, connection))
    return True


def disconnect(self: QtCore.QObject, signature: str, *target: Any) -> bool:
    """Takes back what `connect` with the same signature and slot made; False if there is nothing to take back."""
    normalized = normalizedSignature(signature)
    _requireSignal(self, normalized)
    pairs = _connections.get((shiboken6.getCppPointer(self)[0], normalized), [])
    matching = [pair for pair in pairs if not target or pair[0] == target[0]]
    for pair in matching:
        pairs.remove(pair)
        _STATIC_DISCONNECT(pair[1])
    return bool(matching)


def normalizedSignature(signature: str) -> str:
    normalized = bytes(QtCore.QMetaObject.normalizedSignature(signature).data()).decode()
    if "(" not in normalized:
        raise ValueError(f"'{signature}' is not a signal signature: write it as 'name(type, ...)'")
    return normalized


def _forget(pointer: int) -> None:
    for key in [key for key in _connections if key[0] == pointer]:
        del _connections[key]


def _mappedSignal(sender: Any, normalized: str) -> Any:
    """Signals with MRML types: harness classes name the Python signal in `_mappedSignals`."""
    for base in type(sender).__mro__:
        attribute = base.__dict__.get("_mappedSignals", {}).get(normalized)
        if attribute is not None:
            return getattr(sender, attribute)
    return None


def hasSignal(sender: Any, normalized: str) -> bool:
    return _mappedSignal(sender, normalized) is not None or (
        normalized not in _QT6_ONLY_SIGNALS and sender.metaObject().indexOfSignal(normalized) >= 0
    )


def _requireSignal(sender: Any, normalized: str) -> None:
    if hasSignal(sender, normalized):
        return
    metaObject = sender.metaObject()
    methods = (metaObject.method(index) for index in range(metaObject.methodCount()))
    known = {
        bytes(method.methodSignature().data()).decode()
        for method in methods
        if method.methodType() == QtCore.QMetaMethod.MethodType.Signal
    }
    for base in type(sender).__mro__:
        known |= set(base.__dict__.get("_mappedSignals", {}))
    known = {name for name in known if "PyObject" not in name and not name.startswith("_")} - _QT6_ONLY_SIGNALS
    raise AttributeError(
        f"signal '{normalized}' does not exist on {sender.className()}; it has {', '.join(sorted(known))}"
    )


def _connectToNamedSlot(sender: Any, signature: str, receiver: Any, slotSignature: str) -> bool:
    normalizedSlot = normalizedSignature(slotSignature)
    slotName = normalizedSlot.partition("(")[0]
    mapped = any(normalizedSlot in base.__dict__.get("_mappedSlots", ()) for base in type(receiver).__mro__)
    if not mapped and receiver.metaObject().indexOfMethod(normalizedSlot) < 0:
        raise AttributeError(f"slot '{slotSignature}' does not exist on {receiver.className()}")
    if mapped:
        return connect(sender, signature, getattr(receiver, slotName))
    normalized = normalizedSignature(signature)
    bound = _mappedSignal(sender, normalized)
    if bound is not None:
        bound.connect(getattr(receiver, slotName))
        return True
    _requireSignal(sender, normalized)
    _STATIC_CONNECT(sender, QtCore.SIGNAL(normalized), receiver, QtCore.SLOT(normalizedSlot))
    return True


def _withTrimmedArguments(slot: Slot) -> Slot:
    """PythonQt passes a slot as many of the signal's arguments as it takes."""
    try:
        parameters = inspect.signature(slot).parameters.values()
    except (TypeError, ValueError):  # C++ methods have no signature: they get every argument
        return lambda *arguments: slot(*arguments)
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return lambda *arguments: slot(*arguments)
    count = sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
    return lambda *arguments: slot(*arguments[:count])
