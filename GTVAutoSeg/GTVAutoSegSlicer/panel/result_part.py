"""What a run found, in one line, with the warnings beneath."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from slicer.i18n import tr as _

from GTVAutoSegLib.cascade.completion.complete import COMPLETER
from GTVAutoSegLib.cascade.completion.record import CompletionRecord
from GTVAutoSegLib.system.names import counted

from ..failures import Failure
from ..run.run import Outcome
from ..scene.history import Undo
from ..scene.steering.change import Change
from ..scene.steering.evidence import Evidence

# Uncertain voxels over outlined ones: above it a result is most often wrong.
DOUBTFUL = 1.0


class ResultPart:
    """Shows the last result."""

    def __init__(self, ui: Any) -> None:
        self._label = ui.resultLabel
        self.clear()

    def show(self, outcome: Outcome) -> None:
        """Show what a run that did not fail has found."""
        lines = [describe_completion(outcome) if _is_completion(outcome) else describe_result(outcome)]
        if outcome.undo is not None and outcome.undo.kept:
            lines.append(describe_kept(outcome.undo))
        lines += [_("Warning: {text}").format(text=warning) for warning in outcome.report.warnings]
        self.show_text("\n".join(lines))

    def show_text(self, text: str) -> None:
        """Show a sentence instead."""
        self._label.text = text
        self._label.visible = True

    def clear(self) -> None:
        """Show nothing."""
        self._label.text = ""
        self._label.visible = False


def describe_result(outcome: Outcome) -> str:
    """Volume in mL, slices and extent in mm; or that, and why, no tumour was found."""
    report, name = outcome.report, outcome.request.ct.GetName()
    if outcome.undo is None:
        text = _("{ct}: no tumour found; {reason}.").format(ct=name, reason=report.reason)
        return text + (_(" The scene is as it was.") if outcome.request.output is not None else "")
    if outcome.change is not None:
        return _("{ct}: slices {slices} were outlined again. {change}").format(
            ct=name, slices=_asked(outcome), change=describe_change(outcome.undo.name, outcome.change)
        )
    slices = report.tumour_slices
    return _("{ct}: {roi} {volume:.1f} mL on {slices} ({numbers}), {x:.0f} x {y:.0f} x {z:.0f} mm").format(
        ct=name,
        roi=outcome.request.bundle.info.task.roi,
        volume=report.volume_ml,
        slices=counted(len(slices), _("slice"), _("slices")),
        numbers=ranges(slices),
        **dict(zip("xyz", report.extent_mm)),
    )


def describe_completion(outcome: Outcome) -> str:
    """From what and how it was completed, which ends are to be checked, and what that has changed."""
    record, undo, change = outcome.report, outcome.undo, outcome.change
    how = _("the completer") if record.method == COMPLETER else _("shape interpolation")
    text = _("Completed from slices {slices} by {how}.").format(slices=ranges(record.drawn), how=how)
    ends = {"first": record.first, "last": record.last}
    if found := [ends[name] for name in record.found]:
        text += " " + _("The ends at {slices} were found, so check them.").format(slices=", ".join(map(str, found)))
    return text if undo is None or change is None else f"{text} {describe_change(undo.name, change)}"


def title_of(outcome: Outcome) -> str:
    """What a run was, for the sentence about taking it back."""
    if _is_completion(outcome):
        return _("the completion")
    return _("the run") if outcome.change is None else _("the run on slices {slices}").format(slices=_asked(outcome))


def advice_on(outcome: Outcome) -> Failure | None:
    """What to do about a run that found nothing, or something that is probably wrong; None for any other."""
    if _is_completion(outcome):
        return None
    if outcome.undo is None:
        return Failure(
            "no-tumour",
            _(
                "draw a box around the tumour and run again, or draw the tumour on one slice or more and let the "
                "others be completed"
            ),
        )
    segment = outcome.segmentation.GetSegmentation().GetSegment(outcome.segment_id)
    if Evidence.of(segment).uncertainty > DOUBTFUL:
        return Failure(
            "doubtful",
            _(
                "more voxels are uncertain than outlined, as where a tumour was missed or mistaken; check "
                "every slice, or draw a box around the tumour and run again, or draw some slices and complete the rest"
            ),
        )
    return None


def _is_completion(outcome: Outcome) -> bool:
    return isinstance(outcome.report, CompletionRecord)


def _asked(outcome: Outcome) -> str:
    looked_at = outcome.request.looked_at
    return f"{looked_at.start}-{looked_at.stop - 1}"


def describe_kept(undo: Undo) -> str:
    """That the result lies beside an earlier one, and why."""
    return _("'{kept}' was edited or copied, so it stays as it is; the new result is '{name}'.").format(
        kept=undo.kept, name=undo.name
    )


def describe_change(name: str, change: Change) -> str:
    """What a segment is after a step, and what the step has changed."""
    if not change.changed:
        return _("{name} is as it was: {volume:.1f} mL.").format(name=name, volume=change.after_ml)
    now = _("{name} is gone") if not change.slices else _("{name} is now {after:.1f} mL on {count} ({slices})")
    text = now + _("; {changed_count} changed ({changed}), {difference:+.1f} mL.")
    return text.format(
        name=name,
        after=change.after_ml,
        count=counted(len(change.slices), _("slice"), _("slices")),
        slices=ranges(change.slices) if change.slices else "",
        changed_count=counted(len(change.changed), _("slice"), _("slices")),
        changed=ranges(change.changed),
        difference=change.after_ml - change.before_ml,
    )


def ranges(numbers: Sequence[int]) -> str:
    """Ascending whole numbers with runs put together: ``3-5, 9``."""
    starts = [numbers[0]] + [after for before, after in pairwise(numbers) if after != before + 1]
    ends = [before for before, after in pairwise(numbers) if after != before + 1] + [numbers[-1]]
    return ", ".join(str(start) if start == end else f"{start}-{end}" for start, end in zip(starts, ends))
