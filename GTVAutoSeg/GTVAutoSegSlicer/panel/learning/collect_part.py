"""The button that makes a case of the training set of the outline, and what it says about it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from slicer.i18n import tr as _

from GTVAutoSegLib.report.record.audit import COLLECT
from GTVAutoSegLib.system.names import counted
from GTVAutoSegLib.training.data.collected.collect import ADDED, REPLACED

from ...failures import Failure
from ...run.collecting import CollectRequest
from ...run.run import Outcome
from ...scene.record.approval import approval_of
from ...scene.record.audit import note
from ...training.places import chosen_dataset
from ..widgets import confirmed


class CollectPart:
    """Collects the segment that the panel shows.

    Args:
        ui: the panel's widgets.
        start: starts a run; takes what begins it, and a line for the log.
        logic: a GTVAutoSegLogic.
    """

    def __init__(self, ui: Any, start: Callable[[Callable[..., Any], str], None], logic: Any) -> None:
        self._ui, self._start, self._logic = ui, start, logic
        self._node: Any = None
        self._segment_id, self._ct = "", None
        ui.collectButton.connect("clicked(bool)", self.ask)

    def follow(self, node: Any, segment_id: str, ct: Any, locked: bool) -> None:
        """Offer to collect a segment; a segmentation of None has none."""
        self._node, self._segment_id, self._ct = node, segment_id, ct
        self._ui.collectButton.enabled = bool(node is not None and segment_id and ct is not None and not locked)

    def stop(self) -> None:
        """Let go of the scene."""
        self._node = self._ct = None

    def ask(self) -> None:
        """Collect the outline; one that nobody has approved only when the person says that it counts as it is."""
        segment = None if self._node is None else self._node.GetSegmentation().GetSegment(self._segment_id)
        if segment is None or self._ct is None:
            return
        is_approved = approval_of(self._node, self._segment_id, self._ct) is not None
        if not is_approved and not self._is_accepted(segment.GetName()):
            return
        begin = partial(
            self._logic.collect, self._node, self._segment_id, chosen_dataset(), self._ct, accept=not is_approved
        )
        self._start(begin, "collect: " + ("approved" if is_approved else "accepted"))

    def _is_accepted(self, name: str) -> bool:
        question = _(
            "Nobody has approved '{name}'. Shall it count as it is? A model learns the mistakes of the outlines it is "
            "trained on."
        ).format(name=name)
        return confirmed(question)


def note_collected(outcome: Outcome) -> None:
    """Put a case that was collected into the scene's audit trail."""
    record = outcome.report
    request: CollectRequest = outcome.request
    segment = request.segmentation.GetSegmentation().GetSegment(request.segment_id)
    name = segment.GetName() if segment is not None else record.case.provenance.region
    case = record.folder.name
    note(COLLECT, segment=name, case=case, accepted=request.accepted, mask_sha256=record.case.mask_sha256)


def collect_failure(failure: Failure) -> Failure:
    """The failure of a collecting run; the cards of other runs would offer what does not help here."""
    if failure.code == "cancelled":
        return Failure(
            "cancelled", _("The case was added whole or not at all; the figures of the training set tell which.")
        )
    return Failure("collect", failure.message, failure.hint, failure.details)


def describe_collected(outcome: Outcome) -> str:
    """What became of a case, and what is known of it."""
    record = outcome.report
    texts = {
        ADDED: _("'{case}' was added to the training set."),
        REPLACED: _("'{case}' has the new outline now; the earlier one is kept in the training set's folder .earlier."),
    }
    text = texts.get(record.what, _("'{case}' is in the training set already, with the same outline."))
    lines = [text.format(case=record.folder.name)]
    edited = record.case.provenance.edited
    if edited is not None:
        change = edited.volume_after_ml - edited.volume_before_ml
        lines.append(
            _("Edited on {slices}: {length:.0f} mm of outline drawn anew, {change:+.1f} mL.").format(
                slices=counted(edited.slices, _("slice"), _("slices")),
                length=edited.added_path_length_mm,
                change=change,
            )
        )
    if not record.case.patient:
        lines.append(_("The CT names no patient: it counts as a patient of its own."))
    return "\n".join(lines)
