"""The model selector and what it says about the selected model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from GTVAutoSegLib.errors import ModelError
from GTVAutoSegLib.images.segment_info import SegmentInfo
from GTVAutoSegLib.model.bundle import id_of, read_bundle
from GTVAutoSegLib.model.info import ModelInfo
from GTVAutoSegLib.system.names import counted

from ..models import bundle_paths
from .widgets import fill, quiet


class ModelPart:
    """Lists the bundles there are; a damaged one is listed with what is wrong, a folder that is away is named.

    Args:
        ui: the panel's widgets.
        on_selected: called with the id when the user selects another model.
    """

    def __init__(self, ui: Any, on_selected: Callable[[str], None]) -> None:
        self._selector, self._description = ui.modelSelector, ui.modelDescription
        self._on_selected = on_selected
        self._selector.elideMode = qt.Qt.ElideRight
        self._paths: list[Path] = []
        self._unreadable: list[str] = []
        self.region = ""  # what the selected model outlines; "" while there is none or it is damaged
        self.segment_info = SegmentInfo()  # of a segment to be drawn by hand for it
        self._selector.connect("currentIndexChanged(int)", self._on_index_changed)
        self.refresh()

    def refresh(self) -> None:
        """List the models anew; the selected one stays selected if it is still there."""
        selected = self.selected_id
        self._unreadable.clear()
        self._paths = bundle_paths(self._on_unreadable)
        fill(self._selector, map(_title, self._paths), -1)
        self.select(selected)

    def select(self, model_id: str) -> None:
        """Show a model as selected; an id there is no model for selects the first."""
        ids = [id_of(path) for path in self._paths]
        with quiet(self._selector):
            self._selector.setCurrentIndex(ids.index(model_id) if model_id in ids else min(0, len(ids) - 1))
        self._describe()

    @property
    def selected(self) -> Path | None:
        """The selected bundle's path, or None when there is none."""
        index = self._selector.currentIndex
        return self._paths[index] if 0 <= index < len(self._paths) else None

    @property
    def selected_id(self) -> str:
        """The selected bundle's id, or ""."""
        return id_of(self.selected) if self.selected is not None else ""

    def _on_index_changed(self, _index: int) -> None:
        self._describe()
        self._on_selected(self.selected_id)

    def _on_unreadable(self, folder: Path, error: OSError) -> None:
        line = _("The model folder {folder} cannot be read ({reason}): connect its drive, or choose another folder.")
        self._unreadable.append(line.format(folder=folder, reason=error.strerror or error))

    def _describe(self) -> None:
        self._description.text = "\n".join([self._describe_selected(), *self._unreadable])

    def _describe_selected(self) -> str:
        self.region, self.segment_info = "", SegmentInfo()
        if self.selected is None:
            return _("No model is installed. Install one under 'PyTorch and models'.")
        try:
            info = read_bundle(self.selected).info
        except ModelError as error:
            return str(error)
        self.region = info.task.roi
        self.segment_info = SegmentInfo(info.task.roi, info.task.color, info.task.terminology)
        self._description.toolTip = info.intended_use
        return describe(info)


def describe(info: ModelInfo) -> str:
    """Site, version, licence and measured quality of a model, for people."""
    parts = [_("Site: {site}").format(site=info.task.site)]
    dsc = info.metrics.get("dsc")
    if dsc is None:
        parts.append(_("no measured DSC"))
    else:
        patients = counted(info.metrics.get("cases"), _("patient"), _("patients"))
        split = info.metrics.get("split")
        parts.append(_("measured DSC {dsc:.2f} ({split}, {patients})").format(dsc=dsc, split=split, patients=patients))
    parts.append(_("version {version}, {licence}").format(version=info.version, licence=info.licence))
    return " \u00b7 ".join(parts)


def _title(path: Path) -> str:
    try:
        return read_bundle(path).info.title
    except ModelError:
        return _("{name} (damaged)").format(name=id_of(path))
