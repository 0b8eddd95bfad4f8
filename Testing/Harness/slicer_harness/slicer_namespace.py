"""Completes the `slicer` package of slicer-core to what a module file sees inside the application."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import slicer
import slicer.util

from . import ctk_widgets, i18n, mrml_widgets, pythonqt_semantics, qt_namespace, shared_constants
from .strict_namespace import StrictNamespace

if TYPE_CHECKING:
    from .failures import FailureRecorder
    from .popups import PopupRecorder


def build(failures: FailureRecorder, popups: PopupRecorder) -> Any:
    """Fills in slicer.app, slicer.modules, qt, ctk and the rest; returns the `slicer` package."""
    shared_constants.makeImmortal()
    pythonqt_semantics.install()
    failures.install()
    popups.install()
    _removeStarImports()
    from .application import qSlicerApplication
    from .ui_loader import StrictUiLoader

    sys.modules["qt"] = qt_namespace.build(StrictUiLoader)
    sys.modules["ctk"] = ctk_widgets.build()
    for widget in mrml_widgets.WIDGETS:
        setattr(slicer, widget.__name__, widget)
    slicer.selfTests = {}
    slicer.modules = StrictNamespace("slicer.modules", "no such module is loaded")
    app = slicer.app = qSlicerApplication()
    _addSubmodules()

    from .mrml_scene import SceneLogics
    from .node_events import NodeEventGuard
    from .subject_hierarchy import SubjectHierarchyItems

    with failures.vtkSilenced():
        logics = SceneLogics(app.slicerHome, app.temporaryPath)
    app._nodeEventGuard = NodeEventGuard(logics.scene, failures)
    app._subjectHierarchyItems = SubjectHierarchyItems(logics.scene)
    slicer.mrmlScene = logics.scene
    app._logics = logics
    app._parts |= {"mrmlScene": logics.scene, "applicationLogic": logics.application}
    _addParts(app, logics)
    return slicer


def _addParts(app: Any, logics: Any) -> None:
    from .file_reading_and_writing import qSlicerCoreIOManager
    from .main_window import qSlicerMainWindow
    from .module_manager import (
        qSlicerLoadableModule,
        qSlicerModuleManager,
        qSlicerScriptedLoadableModule,
    )
    from .views.layout_manager import qSlicerLayoutManager

    for kind in (qSlicerScriptedLoadableModule, qSlicerLoadableModule, qSlicerLayoutManager):
        setattr(slicer, kind.__name__, kind)
    app._parts["coreIOManager"] = qSlicerCoreIOManager(logics)
    app._parts["layoutManager"] = qSlicerLayoutManager(logics)
    app._parts["moduleManager"] = qSlicerModuleManager(logics.modules)
    app._mainWindow = qSlicerMainWindow(app.layoutManager().viewport())


def _removeStarImports() -> None:
    """slicer-core star-imports slicer.util into slicer; in the application `slicer.loadVolume` does not exist."""
    for name, member in list(vars(slicer).items()):
        if name.startswith("vtk") or isinstance(member, ModuleType) or name not in vars(slicer.util):
            continue
        if not name.startswith("_") and getattr(slicer.util, name) is member:
            delattr(slicer, name)


def _addSubmodules() -> None:
    from . import (
        parameter_node_wrapper,
        python_packages,
        sample_data,
        scripted_loadable_module,
        self_testing,
        sitk_utils,
    )
    from .command_line_modules import cli

    members: dict[str, Any] = {
        "ScriptedLoadableModule": scripted_loadable_module,
        "parameterNodeWrapper": parameter_node_wrapper,
        "cli": cli,
        "i18n": i18n,
        "packaging": python_packages,
        "testing": self_testing,
    }
    for name, module in members.items():
        sys.modules[f"slicer.{name}"] = module
        setattr(slicer, name, module)
    sys.modules["sitkUtils"] = sitk_utils
    sys.modules["SampleData"] = sample_data
