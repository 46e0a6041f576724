"""How fast steering is in Slicer's process: the slider on 512 x 512 x 100, and the strip of 300 slices.

python Testing/slicer_steering_speed.py
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
SHAPE = (100, 512, 512)
RADII = (30, 60, 70)
TIMES = 9


def main() -> None:
    """Measure and print medians in ms."""
    sys.path.insert(0, str(ROOT))
    from Testing.runtime import boot, load_module

    boot()
    load_module(ROOT / "GTVAutoSeg" / "GTVAutoSeg.py", with_widget=False)
    import qt
    import slicer
    from GTVAutoSegSlicer.panel.steering.mouse import show_picture
    from GTVAutoSegSlicer.panel.steering.reading import Reading
    from GTVAutoSegSlicer.panel.steering.strip_picture import Strip, draw
    from GTVAutoSegSlicer.scene.steering.threshold import ThresholdStep

    ct = slicer.util.addVolumeFromArray(np.zeros(SHAPE, np.int16), ijkToRAS=np.diag([-1.0, -1.0, 3.0, 1.0]))
    node, segment_id = _segment(ct)
    step = ThresholdStep(node, segment_id, ct)
    thresholds = iter([0.3, 0.7] * TIMES)
    _report("slider, one move", lambda: step.show(next(thresholds)))
    _report("slider, let go", lambda: ThresholdStep(node, segment_id, ct).finish(0.4))
    _report("segment read anew", lambda: Reading.of(node, segment_id, ct))
    label = qt.QLabel()
    strip = Strip(300, tuple(np.linspace(0, 1, 300)), tuple(range(300)), (5, 9), (20, 200), (10, 250), (True, True), 77)
    _report("strip of 300 slices", lambda: show_picture(label, draw(strip, 380, 84)))


def _segment(ct: Any) -> tuple[Any, str]:
    """A segment with a probability that falls from the middle of an ellipsoid to its border."""
    from GTVAutoSegSlicer.scene.files import volume_of
    from GTVAutoSegSlicer.scene.segmentation import put_segment
    from GTVAutoSegSlicer.scene.steering.evidence import Evidence

    from GTVAutoSegLib.images.probability import probability_of
    from GTVAutoSegLib.images.segment_info import SegmentInfo

    z, y, x = np.ogrid[tuple(slice(count) for count in SHAPE)]
    distance = ((z - 50) / RADII[0]) ** 2 + ((y - 250) / RADII[1]) ** 2 + ((x - 250) / RADII[2]) ** 2
    probability = probability_of((np.clip(1 - distance, 0, 1) * 255).astype(np.uint8), 0.5, 1)
    evidence = Evidence(probability, tuple(range(SHAPE[0])))
    tags = {name: value for name, value in evidence.tags(volume_of(ct)).items() if value}
    undo = put_segment(None, ct, probability.mask(), SegmentInfo(name="GTVp", tags=tags))
    return undo.node, undo.segment_id


def _report(what: str, do: Callable[[], object]) -> None:
    seconds = []
    for _ in range(TIMES):
        started = time.perf_counter()
        do()
        seconds.append(time.perf_counter() - started)
    print(f"{what:22} {1000 * statistics.median(seconds):7.1f} ms")


if __name__ == "__main__":
    main()
