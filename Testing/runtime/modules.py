"""Slicer's modules: the core ones with their logics, and the loading of a scripted module from its file."""

from __future__ import annotations

import importlib.util
import sys
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import qt
import slicer

from .mrml_widgets import qSlicerWidget
from .qt_classes import stands_for_cpp


@stands_for_cpp
class qSlicerScriptedLoadableModuleWidget(qSlicerWidget):
    """The widget around a module's panel; it calls enter() and exit() of the Python class."""

    def __init__(self, module: ScriptedModule) -> None:
        super().__init__()
        self._module = module
        self.setLayout(qt.QVBoxLayout())
        self._python: Any = None

    def self(self) -> Any:
        return self._python

    def reload(self) -> None:
        """Make the Python widget anew from the module's (reloaded) source."""
        name = self._module.name
        self._python = getattr(sys.modules[name], name + "Widget")(self)
        setattr(slicer.modules, name + "Widget", self._python)
        self.setMRMLScene(slicer.mrmlScene)
        self._python.setup()


class CoreModule:
    """A module written in C++: a name and a logic."""

    def __init__(self, name: str, logic: Any) -> None:
        self.name = self.title = name
        self.path = ""
        self._logic = logic

    def logic(self) -> Any:
        return self._logic

    def widgetRepresentation(self) -> Any:
        return None


class ScriptedModule:
    """A module written in Python, as Slicer's factory makes it; also the ``parent`` of its Python object."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self.title = self.name
        self.path = str(path)
        self.categories: list[str] = []
        self.dependencies: list[str] = []
        self.contributors: list[str] = []
        self.helpText = self.acknowledgementText = ""
        self.icon: Any = None
        self.hidden = False
        self.index = -1
        self.widgetRepresentationCreationEnabled = True
        self._representation: qSlicerScriptedLoadableModuleWidget | None = None

    def logic(self) -> None:
        return None

    def widgetRepresentation(self) -> qSlicerScriptedLoadableModuleWidget:
        """The panel; made when first asked for."""
        if self._representation is None:
            self._representation = qSlicerScriptedLoadableModuleWidget(self)
            self._representation.reload()
        return self._representation


class SegmentEditor:
    """The Segment Editor's widget: keeps what it is handed, in the order the real one needs."""

    def __init__(self) -> None:
        self._segmentation: Any = None
        self._source_volume: Any = None
        self._segment_id = ""

    def setSegmentationNode(self, node: Any) -> None:
        self._segmentation = node
        self._source_volume = None

    def segmentationNode(self) -> Any:
        return self._segmentation

    def setSourceVolumeNode(self, node: Any) -> None:
        if self._segmentation is None:
            raise RuntimeError("need to set segment editor and segmentation nodes first")
        self._source_volume = node

    def sourceVolumeNode(self) -> Any:
        return self._source_volume

    def setCurrentSegmentID(self, segment_id: str) -> None:
        if self._segmentation is None or self._segmentation.GetSegmentation().GetSegment(segment_id) is None:
            raise RuntimeError(f"the segmentation has no segment {segment_id!r}")
        self._segment_id = segment_id

    def currentSegmentID(self) -> str:
        return self._segment_id


class SegmentEditorModule(CoreModule):
    """The module with the Segment Editor; ``widgetRepresentation().self().editor`` as in Slicer."""

    def __init__(self) -> None:
        super().__init__("SegmentEditor", None)
        self.reset()

    def reset(self) -> None:
        panel = types.SimpleNamespace(editor=SegmentEditor())
        self._representation = types.SimpleNamespace(self=lambda: panel)

    def widgetRepresentation(self) -> Any:
        return self._representation


@dataclass(frozen=True)
class LoadedModule:
    """What :func:`load_module` gives a test."""

    source: types.ModuleType  # the imported file
    module: Any  # instance of <Name>
    widget: Any  # instance of <Name>Widget after setup(), or None
    parent: ScriptedModule

    @property
    def panel(self) -> qSlicerScriptedLoadableModuleWidget:
        return self.parent.widgetRepresentation()


def install_modules(logics: dict[str, Any]) -> None:
    """Create ``slicer.modules`` and ``slicer.moduleNames`` with the core modules."""
    for name in ("modules", "moduleNames"):
        module = types.ModuleType(f"slicer.{name}")
        module.__dict__.clear()  # no __name__ and the like: the members are the modules
        sys.modules[f"slicer.{name}"] = module
        setattr(slicer, name, module)
    for name, logic in logics.items():
        register(CoreModule(name, logic))
    register(SegmentEditorModule())
    register(CoreModule("DICOM", None))


def register(module: Any) -> None:
    setattr(slicer.modules, module.name.lower(), module)
    setattr(slicer.moduleNames, module.name, module.name)


def load_module(path: str | Path, with_widget: bool = True) -> LoadedModule:
    """Load a scripted module's file as Slicer's factory does; only its own folder is put on ``sys.path``."""
    file = Path(path).resolve()
    if str(file.parent) not in sys.path:
        sys.path.insert(0, str(file.parent))
    parent = ScriptedModule(file)
    source = _import_file(parent.name, file)
    register(parent)
    instance = getattr(source, parent.name)(parent)
    setattr(slicer.modules, parent.name + "Instance", instance)
    widget = parent.widgetRepresentation().self() if with_widget else None
    return LoadedModule(source, instance, widget, parent)


def unload_scripted_modules() -> None:
    """Clean up every scripted module, as the application does when it ends."""
    for parent in [m for m in vars(slicer.modules).values() if isinstance(m, ScriptedModule)]:
        slicer.app.moduleManager().emit_signal("moduleAboutToBeUnloaded(QString)", parent.name)
        if parent._representation is not None:
            parent._representation.setMRMLScene(None)
            parent._representation.deleteLater()
            parent._representation = None  # `slicer.selfTests` keeps the module, which in Slicer keeps no widget alive
        for suffix in ("Instance", "Widget"):
            vars(slicer.modules).pop(parent.name + suffix, None)
        delattr(slicer.modules, parent.name.lower())
        delattr(slicer.moduleNames, parent.name)
        sys.modules.pop(parent.name, None)
        folder = str(Path(parent.path).parent)
        if folder in sys.path:
            sys.path.remove(folder)


def _import_file(name: str, file: Path) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
