"""Names of the tags that a segment made by GTVAutoSeg carries, in a .seg.nrrd and in Slicer's scene."""

from __future__ import annotations

from collections.abc import Iterable

# Which model made it, and how it was run.
MODEL_TAG = "GTVAutoSeg.Model"
VERSION_TAG = "GTVAutoSeg.Version"
DIGEST_TAG = "GTVAutoSeg.Digest"
THRESHOLD_TAG = "GTVAutoSeg.Threshold"
DEVICE_TAG = "GTVAutoSeg.Device"
PRECISION_TAG = "GTVAutoSeg.Precision"
ORIGIN_TAGS = (MODEL_TAG, VERSION_TAG, DIGEST_TAG)

# Which task's region a segment shows; a segment without it was drawn by somebody else.
ROI_TAG = "GTVAutoSeg.ROI"
# sha256 of the mask a run left on its CT's grid: whether a segment was edited since. A step in Slicer leaves "box " and
# the sha256 of the box around the mask instead.
MASK_TAG = "GTVAutoSeg.MaskSHA256"
# The same in short, for the box around the mask: "<MASK_TAG> <sha256 of the box>". On a large CT it is found at once.
BOX_TAG = "GTVAutoSeg.BoxSHA256"
# The id of the result of the last run, at that segment itself; a copy carries it under another id. A person's segment
# beside which a new result was put has the second instead.
RESULT_TAG = "GTVAutoSeg.Result"
FORMER_TAG = "GTVAutoSeg.FormerResult"
# The name a run gave: whether a segment was renamed since.
NAME_TAG = "GTVAutoSeg.Name"
# The identity of the CT that a run outlined it on, see `identities` in the module's scene/ct_identity.py.
CT_TAG = "GTVAutoSeg.CT"

# An attribute of a CT in Slicer that does not come from DICOM, by which results know it. Node ids would not do: the
# nodes of a scene that is added to another get new ones.
CT_MARK = "GTVAutoSeg.CTMark"
# Another one: what its voxels give, by which a CT is known again that was loaded from its file.
CT_VOXELS = "GTVAutoSeg.CTVoxels"

# An attribute of the text node that is a scene's audit trail; a node of the user's may be called so, too.
TRAIL_MARK = "GTVAutoSeg.AuditTrail"

# The mask as a run left it, see `images.masks.packed`: what a person's edit is measured against.
AUTOMATIC_TAG = "GTVAutoSeg.Automatic"
# A person's approval: name, time, login, and SHA-256 of the mask that was approved; and one that has lapsed, in words.
APPROVAL_TAGS = (
    "GTVAutoSeg.ApprovedBy",
    "GTVAutoSeg.ApprovedAt",
    "GTVAutoSeg.ApprovedLogin",
    "GTVAutoSeg.ApprovedMaskSHA256",
)
# As `BOX_TAG`, of the mask that was approved.
APPROVED_BOX_TAG = "GTVAutoSeg.ApprovedBoxSHA256"
LAPSED_TAG = "GTVAutoSeg.ApprovalLapsed"

# Slices that a person drew or changed, as "3,9,12": whatever runs leaves them as they are.
MINE_TAG = "GTVAutoSeg.Mine"
# What a step left on each slice that was not empty, "18:0f3a...,19:...": which slices a person has changed since.
SLICES_TAG = "GTVAutoSeg.Slices"
# The probability behind a mask, as the bytes of its file in base64, and the slices it speaks of.
PROBABILITY_TAG = "GTVAutoSeg.Probability"
PROBABILITY_SLICES_TAG = "GTVAutoSeg.ProbabilitySlices"
# The threshold a person has chosen for it; without the tag it is the model's own.
MASK_THRESHOLD_TAG = "GTVAutoSeg.MaskThreshold"
# The classifier's probability of each slice, "0.02,,0.97", and the slices the last run was asked for, "25:30".
SLICE_PROBABILITY_TAG = "GTVAutoSeg.SliceProbability"
RANGE_TAG = "GTVAutoSeg.Range"
# How a segment was completed from drawn slices, and by which completer.
COMPLETION_TAG = "GTVAutoSeg.Completion"
COMPLETER_TAG = "GTVAutoSeg.Completer"
COMPLETER_DIGEST_TAG = "GTVAutoSeg.CompleterDigest"

# All that a segment may carry: the names above that end in _TAG, and those of an approval.
OURS: tuple[str, ...] = (*(tag for name, tag in list(globals().items()) if name.endswith("_TAG")), *APPROVAL_TAGS)


def mine_text(slices: Iterable[int]) -> str:
    """The value of `MINE_TAG`: slices, ascending, as "3,9,12"."""
    return ",".join(map(str, sorted({int(index) for index in slices})))


def mine_of(text: str) -> tuple[int, ...]:
    """The slices of a `MINE_TAG`; what is no number in it does not count."""
    return tuple(sorted({int(part) for part in text.split(",") if part.strip().isdecimal()}))
