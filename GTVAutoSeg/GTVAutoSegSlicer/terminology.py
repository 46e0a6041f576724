"""The DICOM terms of a gross tumour volume, which Slicer's own lists lack."""

from __future__ import annotations

import slicer

from .resources import resource_path

CONTEXT = "Segmentation category and type - GTVAutoSeg"


def load_terminology() -> None:
    """Load our terms unless they are there; Slicer looks a segment's code up when it shows or exports it."""
    logic = slicer.modules.terminologies.logic()
    if not logic.IsTerminologyContextLoaded(CONTEXT):
        logic.LoadTerminologyFromFile(resource_path("GTVAutoSeg.term.json"))
