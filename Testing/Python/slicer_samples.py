"""Nodes for the tests of the Slicer module; `slicer` is imported late, because it is complete only after the boot."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from phantoms import body_ct

ROOT = Path(__file__).resolve().parents[2]
MODULE = ROOT / "GTVAutoSeg" / "GTVAutoSeg.py"

# Rows of the usual axial CT, in RAS: x runs to the left, y to the back.
AXIAL = np.diag([-1.0, -1.0, 1.0])


def add_ct(
    name: str = "Planning CT", shape=(10, 64, 72), spacing=(1.0, 1.0, 3.0), direction=AXIAL, origin=(30, 20, -7)
):
    """A CT node with a body and a bright ball in it."""
    import slicer

    to_ras = np.eye(4)
    to_ras[:3, :3] = direction * np.array(spacing)
    to_ras[:3, 3] = origin
    ct = slicer.util.addVolumeFromArray(body_ct(shape), ijkToRAS=to_ras, name=name)
    ct.CreateDefaultDisplayNodes()
    return ct


def oblique(degrees: float = 20) -> np.ndarray:
    """Axial axes turned about two axes."""
    a, b = np.radians([degrees, degrees / 2])
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    return about_z @ about_x @ AXIAL


def linear_transform(name: str = "Moved"):
    """A transform node that turns and shifts."""
    import slicer

    matrix = np.eye(4)
    matrix[:3, :3] = oblique(30) @ AXIAL
    matrix[:3, 3] = (11, -5, 8)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", name)
    node.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    return node


def ball(shape=(10, 64, 72)) -> np.ndarray:
    """A mask to put into a segmentation: off-centre, so that no flip goes unnoticed."""
    box = (slice(0, min(6, shape[0])), slice(14, min(27, shape[1])), slice(41, min(60, shape[2])))
    z, y, x = np.ogrid[box]
    mask = np.zeros(shape, np.uint8)
    mask[box] = ((z - 3) / 2) ** 2 + ((y - 20) / 6) ** 2 + ((x - 50) / 9) ** 2 < 1
    return mask


def voxels(outcome_or_node, segment_id: str, ct) -> np.ndarray:
    """A segment's voxels on the grid of a CT, (z, y, x)."""
    import slicer

    return slicer.util.arrayFromSegmentBinaryLabelmap(outcome_or_node, segment_id, ct)


def segment_centre(node, segment_id: str) -> np.ndarray:
    """Centre of a segment in the world, RAS, mm."""
    return np.array(node.GetSegmentCenterRAS(segment_id))


def voxel_in_world(ct, index_zyx) -> np.ndarray:
    """Where a voxel of a volume node is in the world, RAS, mm."""
    import slicer
    import vtk

    matrix = vtk.vtkMatrix4x4()
    ct.GetIJKToRASMatrix(matrix)
    point = slicer.util.arrayFromVTKMatrix(matrix) @ [*index_zyx[::-1], 1.0]
    if ct.GetParentTransformNode() is None:
        return point[:3]
    to_world = vtk.vtkMatrix4x4()
    ct.GetParentTransformNode().GetMatrixTransformToWorld(to_world)
    return (slicer.util.arrayFromVTKMatrix(to_world) @ point)[:3]


def use_fake_worker(monkeypatch, behaviour: str) -> None:
    """Let runs start `fake_worker` instead of the library's worker."""
    from GTVAutoSegSlicer.run import python_slicer

    fake = str(Path(__file__).with_name("fake_worker.py"))
    launcher = shutil.which("PythonSlicer")
    monkeypatch.setattr(python_slicer, "worker_command", lambda *arguments: [launcher, fake, *arguments])
    monkeypatch.setenv("FAKE_WORKER", behaviour)


def python_of(launcher: int) -> int:
    """The process id of the Python below a PythonSlicer."""
    (child,) = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    return int(child)


def process_lives(pid: int) -> bool:
    """Whether there is such a process that has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def temporary_folders() -> list[str]:
    """What runs have left in Slicer's folder for temporary files."""
    import slicer

    return [path.name for path in Path(slicer.app.temporaryPath).iterdir()]
