"""``python Testing/learning_picture.py DATASET PICTURE``: the guide's training, in Slicer.

The section *Training set and models* is drawn before the training, during it, and after it, once the new model is in
use. Where a training lies beside DATASET already, only what came of it is drawn. Models go into the folder that
XDG_DATA_HOME names. What a person would read meanwhile is printed, with the time it took.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MODEL, PRESET = "sts-gtv", "sts-gtv"
LIMIT_S = 7200
# How much of the training is done when it is drawn.
DRAWN_AT = 0.6


def main(dataset: Path, picture: Path) -> None:
    """Train, compare, use, and draw."""
    sys.path.insert(0, str(ROOT))
    from Testing.panel_pictures import _beside_each_other, grab
    from Testing.runtime import boot, load_module, process_events_until

    runtime = boot()
    runtime.app.testing = True  # no probe
    loaded = load_module(ROOT / "GTVAutoSeg" / "GTVAutoSeg.py")
    widget = loaded.widget
    widget.enter()
    panel, ui = widget.panel, widget.ui
    panel.shown.node.model = MODEL
    panel.learning.open()
    ui.trainingSetButton.directory = str(dataset)
    ui.presetSelector.setCurrentIndex(panel.learning.training._form.presets._values.index(PRESET))
    print(ui.trainingSetStatus.text)

    def section() -> Any:
        """The section as it is now, cut out of the panel."""
        from PySide6 import QtCore

        whole = grab(loaded.panel)
        corner = ui.learningSection.mapTo(loaded.panel, QtCore.QPoint(0, 0))
        return whole.copy(QtCore.QRect(corner, ui.learningSection.size))

    images = [section()]
    if not ui.reportButton.isHidden():
        print(f"{ui.trainingStatus.text}\n{ui.comparisonText.plainText}")
        images[0].convertToFormat(_indexed()).save(str(picture))
        widget.cleanup()
        return
    runtime.app.testing = False  # there is somebody to ask
    started = time.monotonic()
    ui.trainButton.click()

    def ended() -> bool:
        return not panel.learning.running

    def is_drawn() -> bool:
        bar = ui.trainingBar
        return ended() or (" epoch " in ui.trainingStatus.text and bar.value >= DRAWN_AT * bar.maximum > 0)

    process_events_until(is_drawn, timeout=LIMIT_S)
    print(runtime.dialogs.texts("question")[-1])
    images.append(section())
    if not process_events_until(ended, timeout=LIMIT_S) or panel.card.failure is not None:
        raise SystemExit(ui.failureMessage.text or f"the training took longer than {LIMIT_S} s")
    print(f"{time.monotonic() - started:.0f} s\n{ui.trainingStatus.text}\n{ui.comparisonText.plainText}")
    ui.useModelButton.click()
    print(ui.versionStatus.text)
    images.append(section())
    result = _beside_each_other(images).convertToFormat(_indexed())
    result.save(str(picture))
    widget.cleanup()


def _indexed() -> Any:
    """256 colours take a third of the bytes."""
    from PySide6 import QtGui

    return QtGui.QImage.Format.Format_Indexed8


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
