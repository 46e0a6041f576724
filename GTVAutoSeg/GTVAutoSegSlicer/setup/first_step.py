"""What a person has to do next, in one sentence, while there is no result to look at."""

from __future__ import annotations

from slicer.i18n import tr as _


def first_step(*, installing: bool, has_torch: bool, has_model: bool, has_ct: bool, action: str) -> str:
    """The next step.

    Args:
        installing: PyTorch is being installed.
        has_torch: PyTorch works, or was not looked for yet.
        has_model: a model is selected.
        has_ct: a CT is selected.
        action: what the button that starts a run is called.
    """
    if installing:
        return _("PyTorch is being installed; the log below shows how far it is.")
    if not has_torch:
        return _("Install PyTorch first: open 'PyTorch and models' below and click 'Install PyTorch...'.")
    if not has_model:
        return _("Install a model first: open 'PyTorch and models' below and click 'Install...'.")
    if not has_ct:
        return _("Load a CT: from DICOM, from a file, or a GTVAutoSeg case from the module Sample Data.")
    return _("Click '{action}', then check the outline slice by slice and correct it.").format(action=action)
