"""How the runtime behaves as Slicer where it is less kind than plain Python."""

from __future__ import annotations

import sys
import time


def test_a_connected_method_is_kept_with_its_object_until_it_is_disconnected(slicer_runtime):
    """As PythonQt's receiver does, which no garbage collection sees."""
    import gc
    import weakref

    import qt

    class Clock:
        def __init__(self):
            self.timer = qt.QTimer()
            self.timer.connect("timeout()", self.tick)

        def tick(self):
            pass

    clock = Clock()
    watched = weakref.ref(clock)
    del clock
    gc.collect()
    assert watched() is not None
    watched().timer.disconnect("timeout()", watched().tick)
    gc.collect()
    assert watched() is None


def test_a_stopped_timer_that_is_kept_alive_is_found(slicer_runtime):
    import qt

    from Testing.runtime.errors_caught import LEAK, ErrorsCaught
    from Testing.runtime.leaks import Leaks

    leaks, timer, caught = Leaks(), qt.QTimer(), ErrorsCaught()
    timer.setInterval(70)
    leaks.check(caught)
    assert caught.of_kind(LEAK) == [
        "a timer with an interval of 70 ms is stopped, but kept alive with all it is connected to"
    ]


def test_the_event_loop_holds_the_interpreters_lock(slicer_runtime):
    """As in Slicer, whose Python runs only when Qt calls it."""
    import threading

    gate, ran = threading.Lock(), threading.Event()
    gate.acquire()
    waiting = threading.Thread(target=lambda: (gate.acquire(), ran.set()))
    waiting.start()
    before = sys.getswitchinterval()
    sys.setswitchinterval(60)  # no thread gets its turn unless the other lets go
    try:
        gate.release()
        for _ in range(300):  # one turn alone may be over before the thread wakes up
            slicer_runtime.app.processEvents()
        assert not ran.is_set()
        time.sleep(0.2)
        assert ran.is_set()
    finally:
        sys.setswitchinterval(before)
        waiting.join()


def test_a_menu_buttons_click_opens_its_menu(slicer_runtime):
    import slicer

    from Testing.runtime.errors_caught import BLOCKED

    button = slicer.qMRMLSegmentationShow3DButton()
    button.text = "Show 3D"
    button.click()
    assert slicer_runtime.errors.take(BLOCKED) == ["the menu of the button 'Show 3D' is open"]
    assert not button.checked


def test_standard_output_is_not_a_file(slicer_runtime):
    assert [name for name in ("fileno", "encoding", "buffer", "isatty") if hasattr(sys.stdout, name)] == ["isatty"]


def test_the_extensions_manager_asks_and_may_install_nothing(slicer_runtime):
    manager = slicer_runtime.app.extensionsManagerModel()
    slicer_runtime.dialogs.answers.extend([False, True, True])
    assert not manager.installExtensionFromServer("PyTorch")
    manager.reachable = False
    assert not manager.installExtensionFromServer("PyTorch")
    manager.reachable = True
    assert manager.installExtensionFromServer("PyTorch")
    assert manager.isExtensionInstalled("PyTorch")
