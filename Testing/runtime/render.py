"""Pictures of the scene: real slice views and a real 3D view, drawn off screen, and the module's panel beside them.

Needs an EGL with a driver (Debian: ``libegl1`` and ``libgl1-mesa-dri``). VTK's wheel has no renderer of its own, and
asking it for a window where there is no driver ends the process: ask :func:`obstacle` first.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")

import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets

ORIENTATIONS = {"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal"}

_SLICE_MANAGERS = (
    "vtkMRMLCrosshairDisplayableManager",
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLScalarBarDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLMarkupsDisplayableManager",
)
_THREE_D_MANAGERS = (
    "vtkMRMLVolumeRenderingDisplayableManager",
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLThreeDReformatDisplayableManager",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
    "vtkMRMLMarkupsDisplayableManager",
)


_TRIAL = """
import vtk
window = vtk.vtkRenderWindow()
window.SetOffScreenRendering(1)
window.AddRenderer(vtk.vtkRenderer())
window.Render()
"""


def obstacle() -> str | None:
    """Why nothing can be drawn on this machine, tried in a process of its own; None when it can."""
    trial = subprocess.run([sys.executable, "-c", _TRIAL], capture_output=True, text=True)
    if trial.returncode == 0:
        return None
    return f"VTK cannot draw without an EGL driver (Debian: libegl1, libgl1-mesa-dri): {trial.stderr.strip()[-300:]}"


class View:
    """A render window off the screen with Slicer's displayable managers in it."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.renderer = vtk.vtkRenderer()
        self.window = vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(1)
        self.window.SetMultiSamples(0)
        self.window.SetSize(*size)
        self.window.AddRenderer(self.renderer)
        self.group = slicer.vtkMRMLDisplayableManagerGroup()
        self.group.SetRenderer(self.renderer)

    def add_managers(self, factory: Any, names: tuple[str, ...]) -> None:
        self.interactor = vtk.vtkRenderWindowInteractor()
        self.interactor.SetRenderWindow(self.window)
        self.interactor.Initialize()
        instance = factory.GetInstance()
        instance.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        for name in names:
            if not instance.IsDisplayableManagerRegistered(name):
                instance.RegisterDisplayableManager(name)
        self.group.Initialize(instance, self.renderer)

    def write_png(self, path: str | Path) -> None:
        self.interactor.Render()
        grabber = vtk.vtkWindowToImageFilter()
        grabber.SetInput(self.window)
        grabber.ReadFrontBufferOff()
        grabber.Update()
        writer = vtk.vtkPNGWriter()
        writer.SetFileName(str(path))
        writer.SetInputConnection(grabber.GetOutputPort())
        writer.Write()


class SliceView(View):
    """One of the three slice views."""

    def __init__(self, name: str, size: tuple[int, int] = (500, 500)) -> None:
        super().__init__(size)
        self._add_overlay()
        self.renderer.GetActiveCamera().ParallelProjectionOn()
        self._mapper = vtk.vtkImageMapper()
        self._mapper.SetColorWindow(255)
        self._mapper.SetColorLevel(127.5)
        image = vtk.vtkActor2D()
        image.SetMapper(self._mapper)
        image.GetProperty().SetDisplayLocationToBackground()
        self.renderer.AddViewProp(image)
        self.add_managers(slicer.vtkMRMLSliceViewDisplayableManagerFactory, _SLICE_MANAGERS)
        self.logic = slicer.app.applicationLogic().GetSliceLogicByLayoutName(name) or self._make_logic(name)
        self.node = self.logic.GetSliceNode()
        self.group.SetMRMLDisplayableNode(self.node)

    def show(self, volume: Any, position: tuple[float, float, float]) -> None:
        """Show the volume's slice through ``position`` (RAS, mm)."""
        self.logic.GetSliceCompositeNode().SetBackgroundVolumeID(volume.GetID())
        self.logic.ResizeSliceNode(*self.window.GetSize())
        self.logic.FitSliceToBackground()
        self.node.JumpSlice(*position)  # an offset would be -R in the sagittal view
        self._mapper.SetInputConnection(self.logic.GetImageDataConnection())

    def _add_overlay(self) -> None:
        """Markups are drawn in a second layer."""
        overlay = vtk.vtkRenderer()
        overlay.SetLayer(1)
        overlay.GetActiveCamera().ParallelProjectionOn()
        self.window.SetNumberOfLayers(2)
        self.window.AddRenderer(overlay)
        self.window.SetAlphaBitPlanes(1)

    @staticmethod
    def _make_logic(name: str) -> Any:
        application_logic = slicer.app.applicationLogic()
        logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLApplicationLogic(application_logic)
        application_logic.GetSliceLogics().AddItem(logic)
        logic.SetMRMLScene(slicer.mrmlScene)
        node = logic.AddSliceNode(name)
        node.SetLayoutName(name)
        node.SetOrientation(ORIENTATIONS[name])
        return logic


class ThreeDView(View):
    """The 3D view."""

    def __init__(self, size: tuple[int, int] = (500, 500)) -> None:
        super().__init__(size)
        self.add_managers(slicer.vtkMRMLThreeDViewDisplayableManagerFactory, _THREE_D_MANAGERS)
        application_logic = slicer.app.applicationLogic()
        self.logic = slicer.vtkMRMLViewLogic()
        self.logic.SetMRMLApplicationLogic(application_logic)
        application_logic.GetViewLogics().AddItem(self.logic)
        self.logic.SetMRMLScene(slicer.mrmlScene)
        self.node = self.logic.AddViewNode("1")
        self.node.SetLayoutName("1")
        self.node.SetOrientationMarkerType(self.node.OrientationMarkerTypeAxes)
        self.group.SetMRMLDisplayableNode(self.node)


GAP = 4  # between views, pixels


@dataclass(frozen=True)
class Picture:
    """What is drawn: a CT, the position the views show, and the panel beside them."""

    volume: Any
    position: tuple[float, float, float]  # RAS, mm
    panel: QtWidgets.QWidget | None = None
    view_size: tuple[int, int] = (460, 400)
    panel_width: int = 460


def write_picture(picture: Picture, path: str | Path) -> None:
    """Write one PNG: the panel at the left, axial and 3D above, coronal and sagittal below."""
    with tempfile.TemporaryDirectory() as folder:
        views = [_slice_png(picture, name, folder) for name in ORIENTATIONS]
        axial, coronal, sagittal = views
        three_d = Path(folder) / "3d.png"
        view = ThreeDView(picture.view_size)
        view.renderer.ResetCamera()
        view.write_png(three_d)
        images = [QtGui.QImage(str(file)) for file in (axial, three_d, coronal, sagittal)]
    _compose(images, picture).save(str(path))


def grab_panel(panel: QtWidgets.QWidget, width: int) -> QtGui.QImage:
    """The panel as a picture, as high as its content."""
    panel.resize(width, 100)
    panel.show()
    slicer.app.processEvents()
    panel.resize(width, panel.sizeHint.height())
    slicer.app.processEvents()
    image = panel.grab().toImage()
    panel.hide()
    return image


def _slice_png(picture: Picture, name: str, folder: str) -> Path:
    file = Path(folder) / f"{name}.png"
    view = SliceView(name, picture.view_size)
    view.show(picture.volume, picture.position)
    view.write_png(file)
    return file


def _compose(images: list[QtGui.QImage], picture: Picture) -> QtGui.QImage:
    width, height = picture.view_size
    left = grab_panel(picture.panel, picture.panel_width) if picture.panel is not None else None
    offset = left.width() + GAP if left is not None else 0
    full_height = max(2 * height + GAP, left.height() if left is not None else 0)
    result = QtGui.QImage(offset + 2 * width + GAP, full_height, QtGui.QImage.Format.Format_RGB32)
    result.fill(QtGui.QColor("#404040"))
    painter = QtGui.QPainter(result)
    if left is not None:
        painter.drawImage(QtCore.QPoint(0, 0), left)
    for index, image in enumerate(images):
        corner = QtCore.QPoint(offset + (index % 2) * (width + GAP), (index // 2) * (height + GAP))
        painter.drawImage(corner, image)
    painter.end()
    return result
