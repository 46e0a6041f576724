"""Names of the tags that a segment made by GTVAutoSeg carries, in a .seg.nrrd and in Slicer's scene."""

from __future__ import annotations

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
# sha256 of the mask a run left on its CT's grid: whether a segment was edited since.
MASK_TAG = "GTVAutoSeg.MaskSHA256"
# The id of the result of the last run, at that segment itself; a copy carries it under another id. A person's segment
# beside which a new result was put has the second instead.
RESULT_TAG = "GTVAutoSeg.Result"
FORMER_TAG = "GTVAutoSeg.FormerResult"
# The name a run gave: whether a segment was renamed since.
NAME_TAG = "GTVAutoSeg.Name"
# The identity of the CT that a run outlined it on, see `identity` in the module's scene/ct_identity.py.
CT_TAG = "GTVAutoSeg.CT"

# An attribute of a CT in Slicer that does not come from DICOM, by which results know it. Node ids would not do: the
# nodes of a scene that is added to another get new ones.
CT_MARK = "GTVAutoSeg.CTMark"
