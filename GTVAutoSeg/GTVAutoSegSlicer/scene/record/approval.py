"""A person's approval of a segment, kept in its tags: it holds while the segment has the voxels that were approved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.masks.stored import Box
from GTVAutoSegLib.images.masks.structure import Structure
from GTVAutoSegLib.images.segment_info import SegmentInfo
from GTVAutoSegLib.images.volume import Volume
from GTVAutoSegLib.report.record.approval import (
    Approval,
    approval_beside,
    approval_of_tags,
    approve,
    lapsed,
    taken_back,
    withdraw,
)
from GTVAutoSegLib.report.record.audit import APPROVAL, LAPSE, WITHDRAWAL
from GTVAutoSegLib.report.record.edits import edit_of
from GTVAutoSegLib.report.record.figures import region_figures
from GTVAutoSegLib.system.tags import APPROVAL_TAGS, APPROVED_BOX_TAG, LAPSED_TAG

from ..files import volume_of
from ..ownership import is_automatic, own_box, tag, tags_of
from .audit import note
from .figures import ct_figures, figure_tags


@dataclass(frozen=True)
class Asked:
    """An approval that a person wants, of the segment as it is now.

    Attributes:
        node: vtkMRMLSegmentationNode.
        segment_id: of a segment in it.
        ct: the CT it was drawn on.
        approval: with the person's name and the time; the hash of the mask is not found out yet.
        box: the voxels.
        segment: name and tags.
        algorithm: as of `Structure`.
        volume: the CT.
    """

    node: Any
    segment_id: str
    ct: Any
    approval: Approval
    box: Box
    segment: SegmentInfo
    algorithm: str
    volume: Volume

    def look(self, _wanted: Callable[[], bool] = lambda: True) -> tuple[Approval, dict[str, Any]]:
        """Find out what takes long, in a thread or not: the approval with its hash, and what the trail tells of it."""
        mask = self.box.whole()
        structure = Structure(mask, self.segment, self.algorithm, review=self.approval.review)
        figures = region_figures(structure, self.volume, edit_of(structure, self.volume))
        return replace(self.approval, mask_sha256=figures["mask_sha256"]), figures

    def put(self, approval: Approval, figures: dict[str, Any]) -> Approval:
        """Put the approval on the segment; raises InputError where it was changed meanwhile, or is gone."""
        segment = self.node.GetSegmentation().GetSegment(self.segment_id)
        box = own_box(self.node, self.segment_id, self.ct) if segment is not None else None
        if box is None or not box.same_as(self.box):
            raise InputError(
                f"'{self.segment.name}' was changed while it was being approved, so it is not approved; look again, "
                "and approve it again"
            )
        values = (approval.reviewer, approval.at.replace(":", "."), approval.login, approval.mask_sha256)
        for name, value in zip(APPROVAL_TAGS, values):
            segment.SetTag(name, value)
        segment.SetTag(APPROVED_BOX_TAG, f"{approval.mask_sha256} {box.sha256}")
        segment.RemoveTag(LAPSED_TAG)
        note(APPROVAL, segment=segment.GetName(), **{**figures, **ct_figures(self.ct)})
        return approval


def ask_to_approve(node: Any, segment_id: str, ct: Any, reviewer: str) -> Asked:
    """Take from the scene what an approval is about.

    Args:
        node: vtkMRMLSegmentationNode.
        segment_id: of a segment in it.
        ct: the CT it was drawn on.
        reviewer: the person's name.

    Raises:
        InputError: the name does not fit, or the segment is empty or not on the CT's voxels.
    """
    segment = node.GetSegmentation().GetSegment(segment_id)
    box = own_box(node, segment_id, ct)
    if box is None or not box.count:
        raise InputError(
            f"the segment '{segment.GetName()}' is empty or lies between the CT's voxels; expected an outline on the "
            "CT, so correct it first"
        )
    return Asked(
        node,
        segment_id=segment_id,
        ct=ct,
        approval=approve(reviewer, ""),
        box=box,
        segment=SegmentInfo(segment.GetName(), tags=figure_tags(segment)),
        algorithm="AUTOMATIC" if is_automatic(node, segment_id, ct) else "SEMIAUTOMATIC",
        volume=volume_of(ct),
    )


def approve_segment(node: Any, segment_id: str, ct: Any, reviewer: str) -> Approval:
    """Put a person's name and the time on a segment as it is; raises as `ask_to_approve`."""
    asked = ask_to_approve(node, segment_id, ct, reviewer)
    return asked.put(*asked.look())


def withdraw_segment(node: Any, segment_id: str, ct: Any, reason: str) -> None:
    """Take a segment's approval back; the segment says so, and the trail by whom and why.

    Raises:
        InputError: nobody has approved it, or the reason is missing or too long.
    """
    segment = node.GetSegmentation().GetSegment(segment_id)
    approval = approval_of_tags(tags_of(segment))
    if approval is None:
        raise InputError(f"nobody has approved '{segment.GetName()}'; expected an approval to withdraw")
    _take_back(segment, withdraw(approval, reason), ct_figures(ct))


def _drop_withdrawn(node: Any, segment_id: str) -> bool:
    """Take off a segment an approval that was withdrawn beside the segmentation's file; whether there was one."""
    segment = node.GetSegmentation().GetSegment(segment_id)
    approval, storage = approval_of_tags(tags_of(segment)), node.GetStorageNode()
    name = storage.GetFileName() if storage is not None else ""
    try:
        beside = approval_beside(Path(name)) if name and approval is not None else None
    except (OSError, ValueError):
        return False
    if approval is None or beside is None or beside.withdrawn is None:
        return False
    if (beside.reviewer, beside.at) != (approval.reviewer, approval.at):
        return False
    _take_back(segment, beside, {})
    return True


def _take_back(segment: Any, approval: Approval, ct: dict[str, str]) -> None:
    gone = approval.withdrawn
    told = {"segment": segment.GetName(), "name": segment.GetName(), "reviewer": approval.reviewer, **ct}
    told |= {"approved_at": approval.at, "mask_sha256": approval.mask_sha256}
    note(WITHDRAWAL, **told, reason=gone.reason if gone else "")
    _no_longer(segment, taken_back(approval, f"'{segment.GetName()}'"))


def approval_of(node: Any, segment_id: str, ct: Any) -> Approval | None:
    """The approval of a segment; one whose voxels changed lapses now, for good, and the segment says so.

    So does one that `gtvautoseg approve --withdraw` has taken back beside the segmentation's file.
    """
    segment = node.GetSegmentation().GetSegment(segment_id)
    approval = approval_of_tags(tags_of(segment))
    if approval is None or _drop_withdrawn(node, segment_id):
        return None
    box = own_box(node, segment_id, ct)
    if box is not None and box.is_known_as(approval.mask_sha256, tag(segment, APPROVED_BOX_TAG)):
        return approval
    _no_longer(segment, lapsed(approval, f"'{segment.GetName()}'"))
    note(LAPSE, segment=segment.GetName(), reviewer=approval.reviewer)
    return None


def lapse_of(node: Any, segment_id: str) -> str:
    """The sentence on an approval that has lapsed, or ""."""
    return tag(node.GetSegmentation().GetSegment(segment_id), LAPSED_TAG)


def _no_longer(segment: Any, sentence: str) -> None:
    """Take the approval off a segment, and say why."""
    for name in (*APPROVAL_TAGS, APPROVED_BOX_TAG):
        segment.RemoveTag(name)
    segment.SetTag(LAPSED_TAG, sentence.replace(":", ";").replace("|", "/"))
