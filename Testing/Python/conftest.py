"""Fixtures of all tests; the repository's root is on the path, so that a bare ``pytest`` finds library and runtime."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from Testing.runtime.pytest_fixtures import _booted, load_module, slicer_runtime

__all__ = ["_booted", "load_module", "slicer_runtime"]
