"""``python Testing/panel_pictures.py FOLDER``: the panel in its states, 300 px wide, at 100 and 150 %, light and dark.

Drawn with the runtime of the tests and a worker without networks. Every widget whose text does not fit is printed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WIDTH = 300
LIMIT_S = 60
LONG_PATH = "/home/physicist/departments/radiotherapy/2026/patients/exports-for-planning/RTSTRUCT.dcm"
LONG_NAME = "4: RT Thorax 3.0 B30f iMAR Average 0-90 % [planning, left breast]"


def main(folder: Path) -> None:
    """Draw every picture in a process of its own: Qt takes the scale when it starts."""
    folder.mkdir(parents=True, exist_ok=True)
    for scale in ("1", "1.5"):
        for theme in ("light", "dark"):
            path = folder / f"panel-{int(float(scale) * 100)}-{theme}.png"
            command = [sys.executable, __file__, "--draw", str(path), theme]
            subprocess.run(command, env={**os.environ, "QT_SCALE_FACTOR": scale}, check=True)


def draw(path: Path, theme: str) -> None:
    """Draw the states of the panel beside each other."""
    sys.path[:0] = [str(ROOT), str(ROOT / "Testing" / "Python")]
    from Testing.runtime import boot, load_module

    runtime = boot()
    if theme == "dark":
        _darken()
    runtime.app.testing = True  # no question, no probe
    loaded = load_module(ROOT / "GTVAutoSeg" / "GTVAutoSeg.py")
    from GTVAutoSegSlicer.run import python_slicer

    fake, launcher = str(ROOT / "Testing" / "Python" / "fake_worker.py"), shutil.which("PythonSlicer")
    python_slicer.worker_command = lambda *arguments: [launcher, fake, *arguments]
    loaded.widget.enter()
    images = []
    for state in states(loaded.widget):
        image = grab(loaded.panel)
        for problem in problems(loaded.panel):
            print(f"{path.name}, {state}: {problem}")
        images.append(image)
    _beside_each_other(images).save(str(path))
    loaded.widget.cleanup()


def states(widget: Any) -> Iterator[str]:
    """Bring the panel into one state after the other, and name it."""
    import slicer
    from slicer_samples import add_ct

    panel, ui = widget.panel, widget.ui
    yield "no CT"
    ct = add_ct(LONG_NAME)
    yield "ready"
    os.environ["FAKE_WORKER"] = "ball"
    _run(panel)
    yield "result"
    os.environ["FAKE_WORKER"] = "fail:memory"
    _end_worker()
    _run(panel)
    ui.failureDetailsButton.click()
    yield "failure"
    panel.card.hide()
    panel.export._say(f"GTVp (as the model drew it) was exported: {LONG_PATH}\nThe file says UNAPPROVED.")
    ui.sendButton.visible = True
    yield "exported"
    panel.export.clear()
    with tempfile.TemporaryDirectory() as folder:
        compared_training(Path(folder))
        for section in _collapsed(widget):
            section.collapsed = False
        yield "all sections open"
    slicer.mrmlScene.RemoveNode(ct)


def compared_training(folder: Path) -> None:
    """A training set in a folder, with a training that has ended and was compared with the present model."""
    from datasets import write_dataset
    from GTVAutoSegSlicer.training.folder import ModelName, TrainingEnd, TrainingFolder, TrainingPlan
    from GTVAutoSegSlicer.training.places import choose_dataset, trainings_folder

    from GTVAutoSegLib.system.files import write_json

    dataset = write_dataset(folder / "cases", 2)
    present = ModelName("sts-gtv", "2.0.0", "0" * 64)
    plan = TrainingPlan(LONG_NAME, str(dataset), "2.1.0", "2026-11-28T14:50:00+00:00", present=present)
    training = TrainingFolder.make(trainings_folder(dataset), {"id": "sts-gtv"}, plan)
    (training.run / "sts-gtv").mkdir(parents=True)
    (training.run / "report.html").touch()
    training.write_end(TrainingEnd(str(training.run / "sts-gtv"), str(training.run / "report.html")))
    training.comparison.mkdir()
    (training.comparison / "comparison.html").touch()
    sentence = "No difference shown: mean DSC 0.701 instead of 0.656 on the same 3 cases, and it takes at least 6."
    cases = [{"case": f"case_{n}a7bfe6", "old": {"dsc": 0.6}, "new": {"dsc": 0.5 + n / 10}} for n in range(3)]
    comparison = {"verdict": "no difference shown", "sentence": sentence, "cases": cases}
    write_json(training.comparison / "comparison.json", comparison)
    choose_dataset(str(dataset))


def problems(panel: Any) -> Iterator[str]:
    """Widgets that are too narrow for what they say, and a panel that is wider than it may be."""
    from PySide6 import QtWidgets

    from Testing.runtime.qt_methods import children_of

    if panel.minimumSizeHint.width() > WIDTH:
        yield f"the panel needs {panel.minimumSizeHint.width()} px"
    kinds = (QtWidgets.QAbstractButton, QtWidgets.QLabel, QtWidgets.QGroupBox)
    for child in children_of(panel):
        if (
            not issubclass(type(child), kinds)
            or not child.isVisibleTo(panel)
            or child.inherits("ctkCollapsibleButton")
            or hasattr(child, "elideMode")
        ):
            continue
        needed = child.minimumSizeHint.width()
        if issubclass(type(child), QtWidgets.QLabel) and child.wordWrap:
            longest = max(child.text.replace("\u200b", " ").split() or [""], key=len)
            needed = child.fontMetrics().horizontalAdvance(longest)
            if child.height < child.heightForWidth(child.width):
                yield f"{child.objectName} is {child.height} px high, needs {child.heightForWidth(child.width)}"
        if needed > child.width:
            yield f"{child.objectName} ({child.text!r}) is {child.width} px wide, needs {needed}"


def grab(panel: Any) -> Any:
    """The panel as a picture, as high as its content at this width."""
    import slicer

    panel.resize(WIDTH, 100)
    panel.show()
    for _ in range(3):
        slicer.app.processEvents()
        layout = panel.layout()
        height = layout.heightForWidth(WIDTH) if layout.hasHeightForWidth() else layout.sizeHint().height()
        panel.resize(WIDTH, max(height, layout.minimumSize().height()))
    slicer.app.processEvents()
    return panel.grab().toImage()


def _run(panel: Any) -> None:
    from Testing.runtime import process_events_until

    panel.ui.segmentButton.click()
    if not process_events_until(lambda: not panel.running, timeout=LIMIT_S):
        raise SystemExit(f"the run took longer than {LIMIT_S} s")


def _end_worker() -> None:
    from GTVAutoSegSlicer.run.job import KEPT_WORKER

    KEPT_WORKER.end()


def _collapsed(widget: Any) -> list[Any]:
    named = (getattr(widget.ui, name) for name in vars(widget.ui))
    return [one for one in named if one.inherits("ctkCollapsibleButton") and one.collapsed]


def _beside_each_other(images: list[Any]) -> Any:
    from PySide6 import QtCore, QtGui

    ratio = images[0].devicePixelRatio()
    width = sum(image.width() for image in images) + 12 * (len(images) - 1)
    result = QtGui.QImage(width, max(image.height() for image in images), QtGui.QImage.Format.Format_RGB32)
    result.fill(QtGui.QColor("#808080"))
    painter = QtGui.QPainter(result)
    left = 0
    for image in images:
        image.setDevicePixelRatio(1)
        painter.drawImage(QtCore.QPoint(left, 0), image)
        left += image.width() + 12
    painter.end()
    result.setDevicePixelRatio(ratio)
    return result


def _darken() -> None:
    """The palette of Slicer's dark style."""
    from PySide6 import QtGui, QtWidgets

    role: Callable[[str], Any] = lambda name: getattr(QtGui.QPalette.ColorRole, name)  # noqa: E731
    palette = QtGui.QPalette()
    colours = {
        "Window": "#353535",
        "WindowText": "#ffffff",
        "Base": "#232323",
        "AlternateBase": "#353535",
        "Text": "#ffffff",
        "Button": "#353535",
        "ButtonText": "#ffffff",
        "ToolTipBase": "#353535",
        "ToolTipText": "#ffffff",
        "BrightText": "#ff0000",
        "Highlight": "#2a82da",
        "HighlightedText": "#000000",
        "PlaceholderText": "#a0a0a0",
    }
    for name, colour in colours.items():
        palette.setColor(role(name), QtGui.QColor(colour))
    for name in ("WindowText", "Text", "ButtonText"):
        palette.setColor(QtGui.QPalette.ColorGroup.Disabled, role(name), QtGui.QColor("#808080"))
    QtWidgets.QApplication.setPalette(palette)


if __name__ == "__main__":
    if sys.argv[1] == "--draw":
        draw(Path(sys.argv[2]), sys.argv[3])
    else:
        main(Path(sys.argv[1]))
