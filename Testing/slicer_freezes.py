"""``python Testing/slicer_freezes.py``: for how long Slicer's window stands still around a run on a large CT.

A CT of 512 x 512 x 600 voxels as DICOM, in the runtime of the tests: Slicer's own scene, the panel, a child process
that outlines a ball at once. Printed is the longest time that the event loop did not turn in each phase, and the most
work that Slicer's thread did in one turn, which other programs on the machine do not lengthen. Needs 4 GB of memory and
1 GB of temporary files.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SHAPE = (600, 512, 512)
LIMIT_S = 600


class Watch:
    """Remembers the longest stop of the event loop in each phase, and the longest work in one turn, in seconds."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.stops: dict[str, float] = {}
        self.work: dict[str, float] = {}

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
        self.stops[phase] = max(self.stops.get(phase, 0.0), time.perf_counter() - before)
        self.work[phase] = max(self.work.get(phase, 0.0), time.thread_time() - worked)


def main() -> None:
    """Measure, and print a table in Markdown."""
    sys.path[:0] = [str(ROOT), str(ROOT / "Testing" / "Python")]
    from Testing.runtime import boot, load_module

    runtime = boot()
    runtime.app.testing = True  # no question, no probe
    from dicom_scenes import load_dicom

    with tempfile.TemporaryDirectory() as folder:
        scan = Path(folder, "scan")
        write_scan(scan)
        os.environ["FAKE_WORKER"] = "ball"
        widget = load_module(ROOT / "GTVAutoSeg" / "GTVAutoSeg.py").widget
        use_fake_worker()
        ct = load_dicom(scan)
        widget.enter()
        watch = Watch(runtime.app)
        measure(widget.panel, watch, runtime, Path(folder, "rt.dcm"))
        assert widget.ui.failureMessage.text == "", widget.ui.failureMessage.text
        widget.cleanup()
        del ct
    print("| phase | longest stop, s | longest work, s |\n|---|---|---|")
    for phase, seconds in watch.stops.items():
        print(f"| {phase} | {seconds:.2f} | {watch.work[phase]:.2f} |")


def measure(panel: Any, watch: Watch, runtime: Any, path: Path) -> None:
    """Click through a run, a second one, an export and a step back."""
    ui = panel.ui
    for run in ("first run", "second run, which replaces its result"):
        watch.time(f"{run}: the click", ui.segmentButton.click)
        watch.turn_until(f"{run}: it starts", lambda: "segmenting" in panel.log.text.rpartition("run: model")[2])
        watch.turn_until(f"{run}: it ends", lambda: not panel.running)
    watch.turn_until("looking at the result", lambda: panel._headers.poll())
    runtime.dialogs.files.append(str(path))
    watch.time("export of the structure set", ui.exportButton.click)
    watch.turn_until("export of the structure set", lambda: bool(ui.exportStatus.text) or panel.card.failure)
    watch.time("undo", ui.undoButton.click)


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
