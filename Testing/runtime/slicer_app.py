"""``slicer.app`` and what hangs on it: module manager, layout manager, main window, extensions, settings."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import slicer
from PySide6 import QtCore, QtWidgets

from .core_io import CoreIOManager
from .interpreter_lock import process_events_with_the_interpreter_held
from .mrml import Mrml
from .qt_classes import stands_for_cpp
from .qt_signals import SignalTable

# Ends and speaks as CTKAppLauncher does. The path is the program itself: a link to Python leaves its environment.
_LAUNCHER = """#!/bin/sh
"{python}" "$@"
code=$?
if [ $code -ge 128 ]; then
  echo "error: [{python}] exit abnormally - Report the problem." >&2
  exit 1
fi
exit $code
"""

SLICE_VIEWS = {"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal"}


class ModuleManager(SignalTable):
    """Knows the modules by name."""

    signals = ("moduleLoaded(QString)", "moduleAboutToBeUnloaded(QString)", "modulesLoaded(QStringList)")

    def module(self, name: str) -> Any:
        return getattr(slicer.modules, name.lower(), None)

    def factoryManager(self) -> ModuleManager:
        return self

    def loadedModuleNames(self) -> tuple[str, ...]:
        return tuple(vars(slicer.moduleNames))

    modulesNames = loadedModuleNames

    def loadModules(self, names: list[str]) -> bool:
        return all(self.module(name) is not None for name in names)


class ExtensionsManagerModel:
    """The extensions manager: asks as the real one does, records what was asked for, and installs nothing.

    What it says it has installed is not loaded: that takes a restart.
    """

    def __init__(self) -> None:
        self.interactive = True
        self.reachable = True
        self.installed: set[str] = set()
        self.asked_for: list[str] = []

    def setInteractive(self, interactive: bool) -> None:
        self.interactive = interactive

    def isExtensionInstalled(self, name: str) -> bool:
        return name in self.installed

    def installExtensionFromServer(self, name: str, restart: bool = True, *_: Any) -> bool:
        self.asked_for.append(name)
        buttons = QtWidgets.QMessageBox.StandardButton
        question = (None, "Install extension", f"Install the extension {name}?", buttons.Yes | buttons.No)
        if self.interactive and QtWidgets.QMessageBox.question(*question) != buttons.Yes:
            return False
        if self.reachable:
            self.installed.add(name)
        return self.reachable


class LayoutManager(SignalTable):
    """The views, as far as they are MRML: three slice logics and the number of the layout."""

    signals = ("layoutChanged(int)",)

    def __init__(self, mrml: Mrml) -> None:
        super().__init__()
        self._mrml = mrml
        self.layout = int(slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView)
        self.threeDViewCount = 0
        self.plotViewCount = 0
        self.tableViewCount = 0
        self._logics = {name: self._slice_logic(mrml, name, orientation) for name, orientation in SLICE_VIEWS.items()}

    def sliceViewNames(self) -> tuple[str, ...]:
        return tuple(self._logics)

    def sliceWidget(self, name: str) -> Any:
        logic = self._logics.get(name)
        if logic is None:
            return None
        return types.SimpleNamespace(sliceLogic=lambda: logic, mrmlSliceNode=logic.GetSliceNode)

    def mrmlSliceLogics(self) -> Any:
        return self._mrml.application_logic.GetSliceLogics()

    def threeDWidget(self, _index: int) -> None:
        return None

    def setLayout(self, layout: int) -> None:
        self.layout = int(layout)
        self.emit_signal("layoutChanged(int)", self.layout)

    def resetSliceViews(self) -> None:
        for logic in self._logics.values():
            logic.FitSliceToBackground()

    def resetThreeDViews(self) -> None:
        pass

    @staticmethod
    def _slice_logic(mrml: Mrml, name: str, orientation: str) -> Any:
        logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLApplicationLogic(mrml.application_logic)
        mrml.application_logic.GetSliceLogics().AddItem(logic)
        logic.SetMRMLScene(mrml.scene)
        node = logic.AddSliceNode(name)  # a node made in another way has no orientation presets
        node.SetLayoutName(name)
        node.SetOrientation(orientation)
        return logic


class ModuleSelector(SignalTable):
    """Switches between modules: leaves the one, enters the other."""

    signals = ("moduleSelected(QString)",)

    def __init__(self) -> None:
        super().__init__()
        self.selectedModule = ""
        self.history: list[str] = []

    def selectModule(self, name: str) -> None:
        if slicer.app.moduleManager().module(name) is None:
            raise RuntimeError(f"no module named {name}")
        for module, method in ((self.selectedModule, "exit"), (name, "enter")):
            widget = getattr(slicer.modules, module + "Widget", None)
            if module and hasattr(widget, method):
                getattr(widget, method)()
        self.selectedModule = name
        self.history.append(name)
        self.emit_signal("moduleSelected(QString)", name)


@stands_for_cpp
class qSlicerMainWindow(QtWidgets.QMainWindow):
    """The main window; never shown."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("qSlicerMainWindow")
        self._selector = ModuleSelector()

    def moduleSelector(self) -> ModuleSelector:
        return self._selector


class Application(SignalTable):
    """``slicer.app``; what is not written here is asked of Qt's application object."""

    signals = (
        "startupCompleted()",
        "aboutToQuit()",
        "lastWindowClosed()",
        "mrmlSceneChanged(vtkMRMLScene*)",
    )

    applicationName = "Slicer"
    applicationVersion = "5.13.0"
    majorVersion, minorVersion = 5, 13
    revision = "31053"
    os = "linux"
    arch = "amd64"
    documentationBaseUrl = "https://slicer.readthedocs.io/en/latest/"
    slicerHome = ""

    def __init__(self, mrml: Mrml, qt_application: QtWidgets.QApplication, headless: bool) -> None:
        super().__init__()
        self._mrml, self._qt = mrml, qt_application
        self._folder = Path(tempfile.mkdtemp(prefix="slicer-runtime-"))
        self.temporaryPath = str(self._folder / "tmp")
        Path(self.temporaryPath).mkdir()
        self.extensionsInstallPath = str(self._folder)
        self.testing = False
        self.exit_code: int | None = None
        self._options = types.SimpleNamespace(noMainWindow=headless, testingEnabled=False, runPythonAndExit=False)
        self._extensions = ExtensionsManagerModel()
        self._modules = ModuleManager()
        self._io = CoreIOManager(mrml.scene)
        self._layout_manager = None if headless else LayoutManager(mrml)
        self._main_window = None if headless else qSlicerMainWindow()
        self._use_settings_of_our_own()
        self._put_python_slicer_on_path()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._qt, name)

    def reset(self) -> None:
        """Forget what one test has left: settings, temporary files, records."""
        self.settings().clear()
        self.testing = False
        self.exit_code = None
        self._extensions.__init__()
        shutil.rmtree(self.temporaryPath, ignore_errors=True)
        Path(self.temporaryPath).mkdir()
        for slots in self._slots.values():
            slots.clear()
        if self._main_window is not None:
            self._main_window._selector = ModuleSelector()

    def applicationLogic(self) -> Any:
        return self._mrml.application_logic

    def mrmlScene(self) -> Any:
        return self._mrml.scene

    def moduleManager(self) -> ModuleManager:
        return self._modules

    def layoutManager(self) -> LayoutManager | None:
        return self._layout_manager

    def extensionsManagerModel(self) -> ExtensionsManagerModel:
        return self._extensions

    def coreIOManager(self) -> CoreIOManager:
        return self._io

    def commandOptions(self) -> Any:
        return self._options

    def testingEnabled(self) -> bool:
        return self.testing

    def processEvents(self, *_: Any) -> None:
        process_events_with_the_interpreter_held()

    def settings(self) -> QtCore.QSettings:
        return QtCore.QSettings()

    userSettings = revisionUserSettings = settings

    def translate(self, _context: str, text: str) -> str:
        return text

    def moduleDocumentationUrl(self, name: str) -> str:
        return f"{self.documentationBaseUrl}user_guide/modules/{name.lower()}.html"

    def startupEnvironment(self) -> QtCore.QProcessEnvironment:
        environment = QtCore.QProcessEnvironment.systemEnvironment()
        environment.insert("PATH", os.environ["PATH"].removeprefix(str(self._bin) + os.pathsep))
        return environment

    def exit(self, code: int = 0) -> None:
        self.exit_code = int(code)

    quit = exit

    def restart(self) -> None:
        self.exit_code = 0

    def setRenderPaused(self, paused: bool) -> None:
        pass

    def pauseRender(self) -> None:
        pass

    resumeRender = pauseRender

    def _use_settings_of_our_own(self) -> None:
        settings = QtCore.QSettings
        settings.setDefaultFormat(settings.Format.IniFormat)
        settings.setPath(settings.Format.IniFormat, settings.Scope.UserScope, str(self._folder))
        QtCore.QCoreApplication.setOrganizationName("NA-MIC")
        QtCore.QCoreApplication.setApplicationName("Slicer")

    def _put_python_slicer_on_path(self) -> None:
        """A launcher as the installed one: Python is its child, and when that is ended from outside it ends with 1."""
        self._bin = self._folder / "bin"
        self._bin.mkdir()
        launcher = self._bin / "PythonSlicer"
        launcher.write_text(_LAUNCHER.format(python=sys.executable))
        launcher.chmod(0o755)
        os.environ["PATH"] = f"{self._bin}{os.pathsep}{os.environ['PATH']}"
