"""Small questions about PythonQt, and what the real one answers.

``pythonqt_answers.json`` holds the answers of PythonQt 4.1.0 (Qt 5.15.8, Python 3.11) to the questions asked in the
files of this folder. Import it after the runtime has booted: the questions are asked of the module ``qt``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import event_loop, objects, properties, signals, values, widgets

PROBES: dict[str, Callable[[], Any]] = {
    **properties.PROBES,
    **widgets.PROBES,
    **signals.PROBES,
    **event_loop.PROBES,
    **objects.PROBES,
    **values.PROBES,
}

PYTHONQT_ANSWERS: dict[str, str] = json.loads((Path(__file__).parent / "pythonqt_answers.json").read_text())


def answer(question: Callable[[], Any]) -> str:
    """The answer as text: a plain value's repr, the class of any other, or the exception."""
    try:
        value = question()
    except Exception as error:
        return f"EXC {type(error).__name__}: {error}"
    plain = isinstance(value, (bool, int, float, str, list, tuple, dict)) or value is None
    return repr(value) if plain else f"<{type(value).__name__}>"


def agree(ours: str, theirs: str) -> bool:
    """Whether two answers mean the same; of exceptions only the class counts."""
    if theirs.startswith("EXC"):
        return ours.partition(":")[0] == theirs.partition(":")[0]
    return ours == theirs
