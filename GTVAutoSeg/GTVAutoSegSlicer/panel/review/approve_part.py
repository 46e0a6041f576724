"""The button by which a qualified person approves the result, and the line that says who did, until a voxel changes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from GTVAutoSegLib.errors import GTVAutoSegError
from GTVAutoSegLib.report.record.approval import Approval

from ...failures import Failure
from ...run.background import Background
from ...scene.record.approval import Asked, approval_of, ask_to_approve, lapse_of, withdraw_segment


class ApprovePart(VTKObservationMixin):
    """Approves the segment that the panel shows, and follows its voxels.

    Args:
        ui: the panel's widgets.
        log: called with a line for the log.
        show_failure: called with what went wrong.
    """

    def __init__(self, ui: Any, log: Callable[[str], None], show_failure: Callable[[Failure], None]) -> None:
        VTKObservationMixin.__init__(self)
        self._ui, self._log, self._show_failure = ui, log, show_failure
        self._node: Any = None
        self._segment_id, self._ct = "", None
        self._approved = False
        self._looking: Background[tuple[Approval, dict[str, Any]]] | None = None
        self._offered = False
        ui.approveButton.connect("clicked(bool)", self.ask)

    def follow(self, node: Any, segment_id: str, ct: Any, locked: bool) -> None:
        """Show a segment's approval, and go on to as its voxels change; a segmentation of None has none."""
        if node is not self._node:
            self.removeObservers()
            if node is not None:
                modified = slicer.vtkSegmentation.SourceRepresentationModified
                self.addObserver(node.GetSegmentation(), modified, self._on_voxels)
        self._node, self._segment_id, self._ct = node, segment_id, ct
        self._offered = bool(node is not None and segment_id and ct is not None and not locked)
        self._ui.approveButton.enabled = self._offered and not self.busy
        self._show()

    def stop(self) -> None:
        """Let go of the scene."""
        self._forget()
        self.removeObservers()
        self._node = self._ct = None

    def ask(self) -> None:
        """Ask for the person's name or, once approved, for a reason to withdraw; only in a main window."""
        if slicer.util.mainWindow() is None or self._segment() is None or self.busy:
            return
        if self._approved:
            self._ask_withdrawal()
            return
        name = self._segment().GetName()
        text = _(
            "Name of the qualified person who has looked at every slice of '{name}'. The approval goes into the "
            "structure set, and lapses when a voxel changes."
        ).format(name=name)
        reviewer = qt.QInputDialog.getText(self._ui.approveButton, _("Approve"), text)
        if not reviewer or not str(reviewer).strip():
            return
        try:
            asked = ask_to_approve(self._node, self._segment_id, self._ct, str(reviewer))
        except GTVAutoSegError as error:
            self._show_failure(Failure("segment", str(error)))
            return
        # The voxels of a large CT are looked at beside the window.
        self._looking = Background(asked.look, then=partial(self._looked, asked))
        self._ui.approveButton.enabled = False

    @property
    def busy(self) -> bool:
        """Whether an approval is under way."""
        return self._looking is not None

    def _looked(self, asked: Asked) -> None:
        looking = self._looking
        self._forget()
        if looking is None:
            return
        try:
            asked.put(*looking.value())
        except GTVAutoSegError as error:
            self._show_failure(Failure("segment", str(error)))
        except Exception as error:  # of the thread too
            self._show_failure(Failure.unforeseen("the approval failed", error))
        else:
            self._log("approval: by a person")
        self._ui.approveButton.enabled = self._offered
        self._show()

    def _forget(self) -> None:
        """Begin nothing any more with an approval that is under way."""
        if self._looking is not None:
            self._looking.end()
        self._looking = None

    def _ask_withdrawal(self) -> None:
        text = _("Why is the approval of '{name}' withdrawn? One sentence, without the patient's name.")
        reason = qt.QInputDialog.getText(
            self._ui.approveButton, _("Withdraw approval"), text.format(name=self._segment().GetName())
        )
        if not reason or not str(reason).strip():
            return
        try:
            withdraw_segment(self._node, self._segment_id, self._ct, str(reason))
        except GTVAutoSegError as error:
            self._show_failure(Failure("segment", str(error)))
        else:
            self._log("approval: withdrawn by a person")
        self._show()

    def _segment(self) -> Any:
        return None if self._node is None else self._node.GetSegmentation().GetSegment(self._segment_id)

    def _on_voxels(self, _caller: Any = None, _event: Any = None) -> None:
        if not slicer.mrmlScene.IsBatchProcessing():
            self._show()

    def _show(self) -> None:
        text, self._approved = "", False
        if self._segment() is not None and self._ct is not None:
            approval = approval_of(self._node, self._segment_id, self._ct)
            text = lapse_of(self._node, self._segment_id)
            if approval is not None:
                text, self._approved = _("Approved by {who}.").format(who=approval), True
        self._ui.approveButton.text = _("Withdraw approval...") if self._approved else _("Approve...")
        self._ui.approvalLabel.text = text
        self._ui.approvalLabel.visible = bool(text)
