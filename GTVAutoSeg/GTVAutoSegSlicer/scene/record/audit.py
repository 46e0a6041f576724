"""The audit trail of a scene: a text node that is saved with it, in the form of `GTVAutoSegLib.report.record.audit`."""

from __future__ import annotations

from typing import Any

import slicer

from GTVAutoSegLib.cascade.completion.record import CompletionRecord
from GTVAutoSegLib.report.record.audit import COMPLETION, RUN, next_line
from GTVAutoSegLib.report.record.figures import run_figures
from GTVAutoSegLib.system.tags import TRAIL_MARK

from .figures import ct_figures

NODE_NAME = "GTVAutoSeg audit trail"


def note(what: str, **details: Any) -> None:
    """Add a record to the scene's trail.

    Args:
        what: one of the words of `report.record.audit`.
        details: JSON-ready values, without a patient's name.
    """
    node = trail_node() or _made()
    text = node.GetText() or ""
    node.SetText(text + next_line(text, what, details))


def note_run(outcome: Any) -> None:
    """Add what a run of the panel found; one that found nothing is a run as well."""
    report = outcome.report
    if isinstance(report, CompletionRecord):
        completer = report.completer.digest if report.completer else ""
        note(COMPLETION, method=report.method, digest=completer, drawn=report.drawn, mask_sha256=report.mask_sha256)
    elif report is not None:
        note(RUN, **{**run_figures(report), **ct_figures(outcome.request.ct)})


def trail_node() -> Any:
    """The scene's trail, or None; where a scene was added to another, the first."""
    found = slicer.util.getNodesByClass("vtkMRMLTextNode")
    return next((node for node in found if node.GetAttribute(TRAIL_MARK)), None)


def _made() -> Any:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", NODE_NAME)
    node.SetAttribute(TRAIL_MARK, "1")
    return node
