"""Scripted modules: loads their files unchanged, makes their panels, and lists them as `slicer.modules`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import slicer
from PySide6 import QtCore, QtGui, QtWidgets

from .failures import HarnessError
from .mrml_widgets import qSlicerScriptedLoadableModuleWidget


class qSlicerCoreModule:
    """What is common to all modules: the name and the properties that show in the application."""

    _fields: ClassVar[dict[str, Any]] = {
        "title": "",
        "categories": (),
        "dependencies": (),
        "contributors": (),
        "helpText": "",
        "acknowledgementText": "",
        "icon": None,
        "hidden": False,
        "index": -1,
        "widgetRepresentationCreationEnabled": True,
        "associatedNodeTypes": (),
    }

    def __init__(self, name: str, path: str) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "path", path)
        for field, value in self._fields.items():
            object.__setattr__(self, field, list(value) if isinstance(value, tuple) else value)

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_"):
            if name not in self._fields:
                raise AttributeError(f"A module has no property '{name}'")
            _requirePropertyType(name, value)
        object.__setattr__(self, name, value)


def _requirePropertyType(name: str, value: Any) -> None:
    default = qSlicerCoreModule._fields[name]
    if isinstance(default, tuple):
        if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
            raise TypeError(f"Module property '{name}' is a list of strings, got {value!r}")
    elif name == "icon":
        if not isinstance(value, QtGui.QIcon):
            raise TypeError(f"Module property 'icon' is a QIcon, got {value!r}")
    elif not isinstance(value, type(default)):
        raise TypeError(f"Module property '{name}' is a {type(default).__name__}, got {value!r}")


class qSlicerLoadableModule(qSlicerCoreModule):
    """A module of the application itself: its real logic, and no panel."""

    def __init__(self, name: str, logic: Any) -> None:
        super().__init__(name, f"qSlicer{name}Module")
        self._logic = logic

    def logic(self) -> Any:
        return self._logic

    def widgetRepresentation(self) -> None:
        raise HarnessError(f"The panel of Slicer's own module {self.name} is not part of the harness")


class qSlicerScriptedLoadableModule(qSlicerCoreModule):
    """A module file: `X.py` with the classes X, XWidget, XLogic and XTest."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.stem, str(path))
        self._widget: qSlicerScriptedLoadableModuleWidget | None = None
        self._pythonModule = self._import(path)
        moduleClass = getattr(self._pythonModule, self.name, None)
        if moduleClass is None:
            raise HarnessError(f"{path} has no class {self.name}")
        self._pythonSide = moduleClass(self)

    def _import(self, path: Path) -> ModuleType:
        folder = str(path.parent)
        if folder not in sys.path:
            sys.path.insert(0, folder)
        specification = importlib.util.spec_from_file_location(self.name, path)
        if specification is None or specification.loader is None:
            raise HarnessError(f"{path} is not a Python file")
        module = importlib.util.module_from_spec(specification)
        sys.modules[self.name] = module
        specification.loader.exec_module(module)
        return module

    def logic(self) -> Any:
        return slicer.vtkSlicerScriptedLoadableModuleLogic()

    def widgetRepresentation(self) -> qSlicerScriptedLoadableModuleWidget | None:
        """The panel, made on the first call."""
        if self._widget is None:
            self._widget = self.createNewWidgetRepresentation()
        return self._widget

    def createNewWidgetRepresentation(self) -> qSlicerScriptedLoadableModuleWidget | None:
        widgetClass = getattr(self._pythonModule, f"{self.name}Widget", None)
        if widgetClass is None or not self.widgetRepresentationCreationEnabled:
            return None
        widget = qSlicerScriptedLoadableModuleWidget(self.name)
        widget.setLayout(QtWidgets.QVBoxLayout())
        widget._pythonSide = widgetClass(widget)
        setattr(slicer.modules, f"{self.name}Widget", widget._pythonSide)
        widget.setMRMLScene(slicer.mrmlScene)
        widget._pythonSide.setup()
        return widget

    def _deleteWidget(self) -> None:
        """Takes the panel down as the application does when it closes."""
        widget, self._widget = self._widget, None
        if widget is None:
            return
        if widget.isEntered():
            widget._exit()
        slicer.app.moduleManager().moduleAboutToBeUnloaded.emit(self.name)
        slicer.modules.__dict__.pop(f"{self.name}Widget", None)
        widget.setParent(None)
        widget.deleteLater()


class qSlicerModuleFactoryManager:
    def __init__(self, modules: dict[str, qSlicerCoreModule]) -> None:
        self._modules = modules

    def loadedModuleNames(self) -> list[str]:
        return list(self._modules)

    def isLoaded(self, name: str) -> bool:
        return name in self._modules


class qSlicerModuleManager(QtCore.QObject):
    moduleLoaded = QtCore.Signal(str)
    moduleAboutToBeUnloaded = QtCore.Signal(str)

    def __init__(self, coreLogics: dict[str, Any]) -> None:
        super().__init__()
        self._modules: dict[str, qSlicerCoreModule] = {}
        self._factory = qSlicerModuleFactoryManager(self._modules)
        for name, logic in coreLogics.items():
            self._add(qSlicerLoadableModule(name, logic))

    def _add(self, module: Any) -> None:
        self._modules[module.name] = module
        setattr(slicer.modules, module.name.lower(), module)

    def _remove(self, module: Any) -> None:
        del self._modules[module.name]
        delattr(slicer.modules, module.name.lower())

    def factoryManager(self) -> qSlicerModuleFactoryManager:
        return self._factory

    def modulesNames(self) -> list[str]:
        return list(self._modules)

    def module(self, name: str) -> Any:
        return self._modules.get(name)

    def _load(self, paths: list[Path]) -> list[qSlicerScriptedLoadableModule]:
        """Loads module files that are not loaded yet; returns the module objects in the order of the paths."""
        loaded = []
        fresh = []
        for path in (Path(path).resolve() for path in paths):
            known = self._modules.get(path.stem)
            if known is None:
                if not path.is_file():
                    raise FileNotFoundError(f"There is no module file {path}")
                known = qSlicerScriptedLoadableModule(path)
                self._add(known)
                fresh.append(known)
            elif known.path != str(path):
                raise HarnessError(f"A module {path.stem} is loaded from {known.path}")
            loaded.append(known)
        for module in fresh:
            self._requireDependencies(module)
            setup = getattr(module._pythonSide, "setup", None)
            if setup is not None:
                setup()
            self.moduleLoaded.emit(module.name)
        return loaded

    def _requireDependencies(self, module: Any) -> None:
        missing = [name for name in module.dependencies if name not in self._modules]
        if missing:
            raise HarnessError(f"{module.name} depends on modules that are not loaded: {', '.join(missing)}")

    def _deleteWidgets(self) -> None:
        for module in self._modules.values():
            if isinstance(module, qSlicerScriptedLoadableModule):
                module._deleteWidget()
