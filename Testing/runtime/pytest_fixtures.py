"""Fixtures: a running Slicer runtime with a clean scene, and a verdict on what went wrong in it.

A test that asks for ``slicer_runtime`` fails at its end when anything was recorded that it did not take out with
``slicer_runtime.errors.take(...)``, and when it leaves a running timer or process behind.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def _booted() -> Any:
    from . import boot

    return boot()


@pytest.fixture
def slicer_runtime(_booted: Any) -> Iterator[Any]:
    """The running :class:`start.Runtime`, as fresh as after the start of the application."""
    from .leaks import Leaks

    _booted.reset()
    _booted.errors.clear()
    # What is there before the test is not looked at again: with PyTorch it takes a tenth of a second each time.
    gc.collect()
    gc.freeze()
    leaks = Leaks()
    yield _booted
    _booted.reset()
    leaks.check(_booted.errors)
    fail_if_anything_was_caught(_booted.errors)


@pytest.fixture
def load_module(slicer_runtime: Any) -> Callable[..., Any]:
    """Function that loads a scripted module's file: ``load_module(path)`` -> ``modules.LoadedModule``."""
    from . import load_module as load

    def load_file(path: str | Path, with_widget: bool = True) -> Any:
        return load(path, with_widget)

    return load_file


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: Any) -> Any:
    """Run a test with Slicer's standard output; a fixture could not, since pytest puts its own in place after that."""
    from .standard_output import redirected

    with redirected() if "slicer_runtime" in item.fixturenames else nullcontext():
        return (yield)


def fail_if_anything_was_caught(errors: Any) -> None:
    """Fail the running test when anything is recorded, and forget it."""
    caught = [str(item) for item in errors.items]
    errors.clear()
    if caught:
        pytest.fail("Slicer would have gone on after:\n" + "\n".join(caught), pytrace=False)
