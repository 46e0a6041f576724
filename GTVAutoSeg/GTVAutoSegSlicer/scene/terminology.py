"""The DICOM terms of a gross tumour volume, which Slicer's own lists lack."""

from __future__ import annotations

import slicer

from ..resources import resource_path


def load_terminology() -> str:
    """Load our terms and return their context's name; loading them again does no harm.

    Slicer looks a segment's code up when it shows or exports it.
    """
    return slicer.modules.terminologies.logic().LoadTerminologyFromFile(resource_path("GTVAutoSeg.term.json"))
