"""Puts the runtime together: once a process, with or without a main window."""

from __future__ import annotations

import importlib
import os
import sys
import time
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import slicer

from . import (
    ctk_widgets,
    dicom_database,
    i18n,
    mrml_widgets,
    packaging,
    qt_module,
    qt_signals,
    sample_data,
    ui_loader,
)
from .dialogs import Dialogs, dialogs
from .errors_caught import ErrorsCaught, errors
from .interpreter_lock import sleep_with_the_interpreter_held
from .mrml import Mrml

# A folder with Slicer's own ScriptedLoadableModule.py, i18n.py, parameterNodeWrapper/ and so on.
OVERLAY_VARIABLE = "SLICER_PY_OVERLAY"


@dataclass(frozen=True)
class Runtime:
    """The running "Slicer"."""

    app: Any
    mrml: Mrml
    errors: ErrorsCaught
    dialogs: Dialogs
    headless: bool

    @property
    def scene(self) -> Any:
        return self.mrml.scene

    def reset(self) -> None:
        """An empty scene, no scripted module, default settings, nothing recorded."""
        from . import modules

        modules.unload_scripted_modules()
        self._process_deletions()
        self.scene.Clear(0)
        for node in slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode"):
            self.scene.RemoveNode(node)  # a singleton outlives the closing of a scene
        self.mrml.add_singletons()
        slicer.modules.segmenteditor.reset()
        slicer.dicomDatabase.reset()
        for part in (self.app, self.dialogs, packaging, sample_data):
            part.reset()

    def _process_deletions(self) -> None:
        from PySide6 import QtCore

        self.app.processEvents()
        QtCore.QCoreApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)


_running: Runtime | None = None


def boot(headless: bool = False) -> Runtime:
    """Start the runtime, or return the one that runs.

    Args:
        headless: As Slicer with ``--no-main-window``: no main window and no layout manager.

    Raises:
        RuntimeError: A runtime of the other kind runs in this process already.
    """
    global _running
    if _running is None:
        _running = _boot(headless)
    elif _running.headless != headless:
        raise RuntimeError("this process runs the other kind of Slicer runtime: start another process")
    return _running


def process_events_until(condition: Callable[[], bool], timeout: float = 10.0) -> bool:
    """Run the event loop until the condition holds; False when it does not within ``timeout`` seconds."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            return False
        slicer.app.processEvents()
        sleep_with_the_interpreter_held(0.005)
    return True


def _boot(headless: bool) -> Runtime:
    os.environ.setdefault("MPLBACKEND", "Agg")  # matplotlib would take the running Qt for a screen
    errors.listen_to_vtk()
    errors.listen_to_uncaught_exceptions()
    qt_application = qt_module.install()
    _install_widgets()
    mrml = Mrml()
    slicer.mrmlScene = mrml.scene
    slicer.dicomDatabase = dicom_database.DicomDatabase()

    from . import slicer_app  # needs qt and the widgets

    slicer.app = slicer_app.Application(mrml, qt_application, headless)
    qt_signals.on_system_exit.append(slicer.app.exit)
    _install_python_layer()

    from . import modules

    modules.install_modules(mrml.logics)
    slicer.qSlicerScriptedLoadableModuleWidget = modules.qSlicerScriptedLoadableModuleWidget
    slicer.qSlicerScriptedLoadableModule = modules.ScriptedModule
    slicer.app.moduleManager()
    dialogs.install()
    return Runtime(slicer.app, mrml, errors, dialogs, headless)


def _install_widgets() -> None:
    sys.modules["ctk"] = qt_module.ctk_module({**ctk_widgets.WIDGETS, "ctkWidgetsUtils": ctk_widgets.ctkWidgetsUtils})
    sys.modules["qt"].QUiLoader = ui_loader.QUiLoader
    ui_loader.widget_classes.update(ctk_widgets.WIDGETS, **mrml_widgets.WIDGETS)
    for name, cls in mrml_widgets.WIDGETS.items():
        setattr(slicer, name, cls)


def _install_python_layer() -> None:
    """The Python files of Slicer that are not in the wheel: our small ones, or Slicer's own from the overlay."""
    overlay = os.environ.get(OVERLAY_VARIABLE)
    if overlay:
        _use_overlay(overlay)
    else:
        from . import parameter_node, scripted_module

        _provide("i18n", i18n)
        _provide("ScriptedLoadableModule", scripted_module)
        _provide("parameterNodeWrapper", parameter_node)
    _provide("packaging", packaging)  # also with an overlay: Slicer's own would run pip
    sys.modules["SampleData"] = sample_data


def _use_overlay(folder: str) -> None:
    import slicer_core.MRMLCore

    # two modules of Slicer's build that its Python layer imports by name
    sys.modules["MRMLCorePython"] = slicer_core.MRMLCore
    tree_module = types.ModuleType("qSlicerSubjectHierarchyModuleWidgetsPythonQt")
    tree_module.qMRMLSubjectHierarchyTreeView = slicer.qMRMLSubjectHierarchyTreeView
    sys.modules[tree_module.__name__] = tree_module
    slicer.__path__.append(folder)
    for name in ("i18n", "ScriptedLoadableModule", "parameterNodeWrapper"):
        setattr(slicer, name, importlib.import_module(f"slicer.{name}"))


def _provide(name: str, module: types.ModuleType) -> None:
    sys.modules[f"slicer.{name}"] = module
    setattr(slicer, name, module)
