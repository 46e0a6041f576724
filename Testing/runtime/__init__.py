"""A Slicer for tests: real MRML, Qt with PythonQt's semantics, no Slicer. See README.md."""

from .boot import Runtime, boot, process_events_until

__all__ = ["Runtime", "boot", "load_module", "process_events_until"]


def load_module(path, with_widget=True):
    """Load a scripted module's file; see :func:`modules.load_module`. The runtime has to run."""
    from .modules import load_module as load

    return load(path, with_widget)
