"""What is said about a training: how large it is, how far, and how it ended."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from GTVAutoSegLib.errors import GTVAutoSegError
from GTVAutoSegLib.system.names import counted

from ...training.folder import TrainingFolder, TrainingPlan

SHORT_S = 90


def duration(seconds: float) -> str:
    """A time in words that a person plans by."""
    if seconds < SHORT_S:
        return _("{count:.0f} s").format(count=seconds)
    minutes = round(seconds / 60)
    if minutes < SHORT_S:
        return _("{count} min").format(count=minutes)
    return _("{hours} h {minutes} min").format(hours=minutes // 60, minutes=minutes % 60)


def describe_estimate(estimate: dict[str, Any], plan: TrainingPlan) -> str:
    """How large a training is, and how long it takes at most."""
    networks = estimate["networks"]
    lines = [
        _("{title}, on {cases} of {patients}: {slices}, {tumour} of them with tumour.").format(
            title=plan.title,
            cases=counted(estimate["cases"], _("case"), _("cases")),
            patients=counted(estimate["patients"], _("patient"), _("patients")),
            slices=counted(estimate["slices"], _("slice"), _("slices")),
            tumour=estimate["tumour_slices"],
        ),
        _("{count}, {steps} in all, with the preset '{preset}' on {device}.").format(
            count=counted(len(networks), _("network"), _("networks")),
            steps=counted(sum(one["epochs"] * one["steps"] for one in networks), _("step"), _("steps")),
            preset=estimate["preset"],
            device=estimate["device"],
        ),
        _("At most {time}, and {size:.0f} MB of disk.").format(
            time=duration(estimate["seconds"]), size=estimate["store_mb"]
        ),
        _("Slicer can be used meanwhile. Closing it stops the training; Resume goes on with it. Begin?"),
    ]
    return "\n\n".join(lines)


def describe_progress(event: dict[str, Any]) -> str:
    """Where a training is."""
    stage = event["stage"]
    words = {
        "reading labels": _("Reading the cases"),
        "preparing slices": _("Preparing the slices"),
        "training": _("Training"),
        "writing": _("Writing the model"),
        "comparing": _("Comparing with the present model"),
    }
    text = words.get(stage, stage)
    if "epoch" not in event:
        return text
    text = _("{fold}, {network}: epoch {epoch} of {epochs}").format(**_fields(event))
    if event.get("best") is not None:
        text += _(", best {best:.3f}").format(best=event["best"])
    if event.get("seconds_left") is not None:
        text += _("; at most {time} left").format(time=duration(event["seconds_left"]))
    return text


def describe_last(folder: TrainingFolder) -> str:
    """The training begun last, as far as its folder tells."""
    plan = folder.plan
    begun = plan.begun_at.replace("T", " ")[:16]
    text = _("Last training: {title} {version}, begun {begun}").format(
        title=plan.title, version=plan.version, begun=begun
    )
    if folder.end is None:
        return text + _("; it was stopped, and can be resumed.")
    if plan.present is None:
        return text + _("; there was no model to compare it with. Look at its report before you use it.")
    compared = folder.compared
    if compared is None:
        return text + _("; its comparison with the present model is still to be made: resume it.")
    return f"{text}.\n{compared.get('sentence', '')}"


def discard_question(folder: TrainingFolder) -> str:
    """What goes and what stays when a training is removed."""
    try:
        has_ended = folder.has_ended
    except GTVAutoSegError:  # a damaged one
        has_ended = False
    if not has_ended:
        text = _("Remove the stopped training '{name}' with all it has trained? The training set stays as it is.")
    elif folder.is_installed:
        text = _(
            "Remove the finished training '{name}' with its report and its comparison? Its model is installed and "
            "stays, and so does the training set."
        )
    else:
        text = _(
            "Remove the finished training '{name}' with its model, its report and its comparison? That model is not "
            "installed and cannot be brought back. The installed models and the training set stay."
        )
    return text.format(name=folder.path.name)


def describe_cases(compared: dict[str, Any]) -> str:
    """The present model and the new one, case by case: those first where the new one lost most."""
    rows = [(str(case["case"]), _dsc(case, "old"), _dsc(case, "new")) for case in compared.get("cases", [])]
    rows.sort(key=lambda row: (row[2] or 0) - (row[1] or 0))
    lines = [_("DSC: present -> new")]
    return "\n".join(lines + [f"{_figure(old)} -> {_figure(new)}  {name}" for name, old, new in rows])


def _fields(event: dict[str, Any]) -> dict[str, Any]:
    return {name: event[name] for name in ("fold", "network", "epoch", "epochs")}


def _dsc(case: dict[str, Any], side: str) -> float | None:
    figures = case.get(side)
    return figures.get("dsc") if isinstance(figures, dict) else None


def _figure(value: float | None) -> str:
    return "  - " if value is None else f"{value:.2f}"
