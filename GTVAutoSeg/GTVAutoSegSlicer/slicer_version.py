"""Which Slicer is needed. What imports this runs, and is read, by older ones too: Slicer 5.8 has Python 3.9."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

NEEDED = (5, 12)


def too_old() -> str:
    """Why this Slicer is not enough, in one sentence; "" when it is."""
    if (slicer.app.majorVersion, slicer.app.minorVersion) >= NEEDED:
        return ""
    sentence = _("GTV Auto Segmentation needs Slicer {needed} or newer, this is Slicer {version}; install a newer one.")
    return sentence.format(needed="{}.{}".format(*NEEDED), version=slicer.app.applicationVersion)
