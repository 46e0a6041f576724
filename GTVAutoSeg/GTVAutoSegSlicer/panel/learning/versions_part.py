"""The versions of the selected model on this computer, and the button that brings one back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from GTVAutoSegLib.errors import GTVAutoSegError, ModelError
from GTVAutoSegLib.model.versions import Version, use_version, versions

from ...models import chosen_folder
from ..widgets import fill

SHOWN_DIGITS = 8


class VersionsPart:
    """Lists versions while its section is unfolded.

    Args:
        ui: the panel's widgets.
        on_used: called with the id of a model that stands for another version now, and a sentence that says so.
    """

    def __init__(self, ui: Any, on_used: Callable[[str, str], None]) -> None:
        self._ui, self._on_used = ui, on_used
        self._known: list[Version] = []
        self._locked = False
        ui.versionSelector.elideMode = qt.Qt.ElideRight
        ui.versionSelector.connect("currentIndexChanged(int)", lambda _index: self._follow())
        ui.useVersionButton.connect("clicked(bool)", self._on_use)
        ui.versionStatus.visible = False

    def show(self, model_id: str, locked: bool) -> None:
        """List the versions of a model."""
        if self._ui.learningSection.collapsed:
            return
        self._locked = locked
        try:
            known = versions(model_id, chosen_folder()) if model_id else []
        except (ModelError, OSError):
            known = []
        if known != self._known:
            self._known = known
            in_use = next((i for i, one in enumerate(known) if one.current), -1)
            fill(self._ui.versionSelector, map(_label, known), in_use)
        self._follow()

    def say(self, text: str) -> None:
        """Say which version is in use now."""
        self._ui.versionStatus.text = text
        self._ui.versionStatus.visible = bool(text)

    def _follow(self) -> None:
        chosen = self._chosen()
        can = chosen is not None and not chosen.current and not chosen.problem and not self._locked
        self._ui.useVersionButton.enabled = can

    def _chosen(self) -> Version | None:
        index = self._ui.versionSelector.currentIndex
        return self._known[index] if 0 <= index < len(self._known) else None

    def _on_use(self) -> None:
        chosen = self._chosen()
        if chosen is None:
            return
        try:
            with slicer.util.WaitCursor():
                bundle = use_version(chosen.id, chosen.digest, chosen_folder())
            text = _("{title} {version} is in use now.").format(title=bundle.info.title, version=bundle.info.version)
        except GTVAutoSegError as error:
            text = str(error)
        self._on_used(chosen.id, text)


def _label(version: Version) -> str:
    if version.problem:
        return _("damaged")
    text = f"{version.version} ({version.digest[:SHOWN_DIGITS]})"
    if version.current:
        text += _(", in use")
    return text + (_(", shipped") if version.shipped else "")
