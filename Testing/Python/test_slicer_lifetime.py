"""The panel goes with its module: nothing keeps it, or what it knows of the scene, alive."""

from __future__ import annotations

import gc
import weakref

import pytest
from slicer_samples import MODULE, add_ct, use_fake_worker


@pytest.fixture
def used(slicer_runtime, load_module, user, monkeypatch, until):
    """The module, whose panel has outlined a CT; it and all its parts are watched, and nothing else holds them."""

    def use():
        slicer_runtime.app.testing = True
        module = load_module(MODULE)
        use_fake_worker(monkeypatch, "ball")
        panel = module.widget.panel
        module.widget.enter()
        add_ct()
        panel.ui.segmentButton.click()
        until(lambda: not panel.running)
        parts = {name: part for name, part in vars(panel).items() if type(part).__module__.startswith("GTVAutoSeg")}
        assert {"steering", "history", "approval", "export", "runs"} <= parts.keys()
        return module.parent, {name: weakref.ref(part) for name, part in {"panel": panel, **parts}.items()}

    return use


def alive(watched):
    from PySide6 import QtCore

    QtCore.QCoreApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)
    gc.collect()
    return [name for name, part in watched.items() if part() is not None]


def test_no_panel_outlives_its_module(used):
    from Testing.runtime.modules import unload_scripted_modules

    _, watched = used()
    unload_scripted_modules()
    assert alive(watched) == []


def test_no_panel_outlives_a_reload_of_its_module(used):
    """As Slicer's Reload does: the old panel is cleaned up and its widgets are deleted, and another one comes."""
    import slicer

    _, watched = used()
    slicer.util.reloadScriptedModule("GTVAutoSeg")
    assert alive(watched) == []
    assert slicer.modules.GTVAutoSegWidget.panel is not None
