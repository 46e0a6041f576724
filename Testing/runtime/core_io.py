"""Reading and writing of nodes and scenes: ``slicer.app.coreIOManager()`` for the files a planning module meets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer

# Longest suffix first.
FILE_TYPES = {
    ".seg.nrrd": "SegmentationFile",
    ".seg.nhdr": "SegmentationFile",
    ".nii.gz": "VolumeFile",
    ".nrrd": "VolumeFile",
    ".nhdr": "VolumeFile",
    ".nii": "VolumeFile",
    ".mha": "VolumeFile",
    ".mhd": "VolumeFile",
    ".tsv": "TableFile",
    ".csv": "TableFile",
    ".txt": "TextFile",
    ".h5": "TransformFile",
    ".tfm": "TransformFile",
    ".mrb": "SceneFile",
    ".mrml": "SceneFile",
}


class CoreIOManager:
    """The part of ``qSlicerCoreIOManager`` that ``slicer.util`` calls."""

    def __init__(self, scene: Any) -> None:
        self._scene = scene

    def fileType(self, path: str) -> str:
        name = str(path).lower()
        return next((kind for suffix, kind in FILE_TYPES.items() if name.endswith(suffix)), "NoFile")

    def fileWriterFileType(self, node: Any) -> str:
        return "SegmentationFile" if node.IsA("vtkMRMLSegmentationNode") else "VolumeFile"

    def addDefaultStorageNodes(self) -> None:
        for index in range(self._scene.GetNumberOfNodesByClass("vtkMRMLStorableNode")):
            self._scene.GetNthNodeByClass(index, "vtkMRMLStorableNode").AddDefaultStorageNode()

    def loadNodes(self, file_type: str, properties: dict, loaded: Any, _messages: Any = None) -> bool:
        path = properties["fileName"]
        if file_type == "SceneFile":
            return self._load_scene(path, bool(properties.get("clear", True)))
        reader = getattr(self, "_read_" + file_type, None)
        if reader is None or not Path(path).exists():
            return False
        node = reader(path, properties.get("name") or Path(path).name.partition(".")[0], properties)
        if node is None:
            return False
        loaded.AddItem(node)
        return True

    def saveNodes(self, file_type: str, properties: dict, _messages: Any = None) -> bool:
        path = properties["fileName"]
        if file_type == "SceneFile":
            return self._save_scene(path)
        node = self._scene.GetNodeByID(properties["nodeID"])
        node.AddDefaultStorageNode()
        storage = node.GetStorageNode()
        storage.SetFileName(str(path))
        storage.SetUseCompression(int(bool(properties.get("useCompression", True))))
        return bool(storage.WriteData(node))

    def saveScene(self, path: str, _screenshot: Any = None) -> bool:
        return self._save_scene(path)

    def _load_scene(self, path: str, clear: bool) -> bool:
        if str(path).lower().endswith(".mrb"):
            return bool(self._scene.ReadFromMRB(str(path), clear))
        self._scene.SetURL(str(path))
        return bool(self._scene.Connect() if clear else self._scene.Import())

    def _save_scene(self, path: str) -> bool:
        if str(path).lower().endswith(".mrb"):
            return bool(self._scene.WriteToMRB(str(path), None))
        if str(path).lower().endswith(".mrml"):
            self._scene.SetURL(str(path))
            return bool(self._scene.Commit())
        return bool(self._scene.SaveSceneToSlicerDataBundleDirectory(str(path), None))

    def _read_VolumeFile(self, path: str, name: str, properties: dict) -> Any:
        options = 1 if properties.get("labelmap") else 0
        return slicer.modules.volumes.logic().AddArchetypeVolume(path, name, options)

    def _read_SegmentationFile(self, path: str, name: str, _properties: dict) -> Any:
        return slicer.modules.segmentations.logic().LoadSegmentationFromFile(path, True, name)

    def _read_TableFile(self, path: str, name: str, _properties: dict) -> Any:
        return slicer.modules.tables.logic().AddTable(path, name)

    def _read_TransformFile(self, path: str, _name: str, _properties: dict) -> Any:
        return slicer.modules.transforms.logic().AddTransform(path, self._scene)
