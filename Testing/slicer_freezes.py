"""``python Testing/slicer_freezes.py``: for how long Slicer's window stands still while the panel works on a large CT.

A CT of 512 x 512 x 600 voxels as DICOM, in the runtime of the tests: Slicer's own scene, the panel, a child process
that outlines a ball at once, and the library's own worker for completing and exporting. Everything is done `ROUNDS`
times. Printed is, for each phase, the median over the rounds of the longest time that the event loop did not turn, the
worst of them, and the median of the most work that Slicer's thread did in one turn, which other programs on the machine
do not lengthen. Needs 6 GB of memory and 1 GB of temporary files.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SHAPE = (600, 512, 512)
LIMIT_S = 600
ROUNDS = 3


class Watch:
    """Remembers the longest stop of the event loop in each phase, and the longest work in one turn, in seconds."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.stops: dict[str, list[float]] = {}
        self.work: dict[str, list[float]] = {}
        self._round = -1

    def next_round(self) -> None:
        """All phases are begun again."""
        self._round += 1

    def turn_until(self, phase: str, condition: Callable[[], bool]) -> None:
        """Let the event loop turn."""
        until = time.monotonic() + LIMIT_S
        while not condition():
            if time.monotonic() > until:
                raise SystemExit(f"nothing happened for {LIMIT_S} s")
            self.time(phase, self._app.processEvents)
            time.sleep(0.005)

    def time(self, phase: str, action: Callable[[], Any]) -> None:
        """Do something in one turn of the loop."""
        before, worked = time.perf_counter(), time.thread_time()
        action()
        for kept, value in ((self.stops, time.perf_counter() - before), (self.work, time.thread_time() - worked)):
            values = kept.setdefault(phase, [])
            if len(values) <= self._round:
                values.append(value)
            else:
                values[-1] = max(values[-1], value)

    def table(self) -> str:
        """What was measured, in Markdown."""
        lines = ["| phase | longest stop, s | worst of all rounds, s | longest work, s |", "|---|---|---|---|"]
        for phase, stops in self.stops.items():
            work = statistics.median(self.work[phase])
            lines.append(f"| {phase} | {statistics.median(stops):.2f} | {max(stops):.2f} | {work:.2f} |")
        return "\n".join(lines)


def main() -> None:
    """Measure, and print a table in Markdown."""
    sys.path[:0] = [str(ROOT), str(ROOT / "Testing" / "Python")]
    from Testing.runtime import boot, load_module

    runtime = boot()
    runtime.app.testing = True  # no question, no probe
    from bundles import make_bundle
    from dicom_scenes import load_dicom

    with tempfile.TemporaryDirectory() as folder:
        scan = Path(folder, "scan")
        write_scan(scan)
        os.environ.update(FAKE_WORKER="ball", GTVAUTOSEG_MODELS=str(Path(folder, "models")))
        make_bundle(Path(folder, "models", "test-model"))  # which needs no box
        widget = load_module(ROOT / "GTVAutoSeg" / "GTVAutoSeg.py").widget
        use_fake_worker()
        answer_dialogs()
        ct = load_dicom(scan)
        watch = Watch(runtime.app)
        for number in range(ROUNDS):
            watch.next_round()
            measure(widget, watch, runtime, Path(folder, str(number)))
        widget.cleanup()
        del ct
    print(f"medians of {ROUNDS} rounds; load of the machine at the end: {os.getloadavg()[0]:.1f}")
    print(watch.table())


def measure(widget: Any, watch: Watch, runtime: Any, folder: Path) -> None:
    """Click through everything that takes long."""
    import slicer

    panel, ui = widget.panel, widget.ui
    folder.mkdir()
    watch.time("opening the module", widget.enter)
    for run in ("first run", "second run, which replaces its result"):
        watch.time(f"{run}: the click", ui.segmentButton.click)
        assert panel.running, ui.failureMessage.text
        watch.turn_until(f"{run}: it starts", lambda: "segmenting" in panel.log.text.rpartition("run: model")[2])
        watch.turn_until(f"{run}: it ends", lambda: not panel.running)
    ui.thresholdSlider.setSliderDown(True)
    for value in (45, 40, 35):
        watch.time("threshold: one move", lambda value=value: ui.thresholdSlider.setValue(value))
    watch.time("threshold: let go", lambda: ui.thresholdSlider.setSliderDown(False))
    settle(watch, "threshold: let go")
    watch.time("a slice kept as mine", ui.mineButton.click)
    settle(watch, "a slice kept as mine")
    watch.time("completion: the click", ui.completeButton.click)
    watch.turn_until("completion", lambda: not panel.running)
    settle(watch, "completion")
    watch.time("approval", ui.approveButton.click)
    watch.turn_until("approval", lambda: not panel.approval.busy)
    settle(watch, "approval")
    for kind, name in (("RTSTRUCT", "rt.dcm"), ("SEG", "gtv.seg.dcm")):
        runtime.dialogs.files.append(str(folder / name))
        watch.time(f"export as {kind}: the click", ui.exportButton.click)
        watch.turn_until(f"export as {kind}", lambda: not panel.running)
        assert (folder / name).exists(), ui.failureMessage.text
    watch.time("sending: the click", ui.sendButton.click)
    for _ in range(2):
        watch.time("undo", ui.undoButton.click)
        settle(watch, "undo")
    for _ in range(2):
        watch.time("redo", ui.redoButton.click)
        settle(watch, "redo")
    watch.time("reading a segment anew", panel._update)
    assert ui.failureMessage.text == "", ui.failureMessage.text
    while ui.undoButton.enabled:
        ui.undoButton.click()
    assert not slicer.util.getNodesByClass("vtkMRMLSegmentationNode")


def settle(watch: Watch, phase: str) -> None:
    """Let everything happen that was put off."""
    until = time.monotonic() + 0.5
    watch.turn_until(phase, lambda: time.monotonic() > until)


def answer_dialogs() -> None:
    """The user presses OK in every dialog, gives a name, and has a Slicer with a module for sending."""
    import types

    import qt
    from GTVAutoSegSlicer.panel.review.export_dialog import ExportDialog

    ExportDialog.execute = lambda self: True
    qt.QInputDialog.getText = lambda *_: "Meyer^Anna"
    sys.modules["DICOMLib"] = types.SimpleNamespace(DICOMSendDialog=lambda *_: None)


def write_scan(folder: Path) -> None:
    """The CT's DICOM files."""
    import numpy as np
    from dicom_samples import write_series

    array = np.full(SHAPE, -1000, np.int16)
    array[:, 100:400, 80:430] = np.random.default_rng(0).integers(-50, 90, (1, 300, 350), np.int16)
    for index, path in enumerate(write_series(folder, array)):
        path.rename(folder / f"{index:04}.dcm")


def use_fake_worker() -> None:
    """Let runs start the tests' worker, which has no networks."""
    import shutil

    from GTVAutoSegSlicer.run import python_slicer

    fake, launcher = str(ROOT / "Testing" / "Python" / "fake_worker.py"), shutil.which("PythonSlicer")
    python_slicer.worker_command = lambda *arguments: [launcher, fake, *arguments]


if __name__ == "__main__":
    main()
