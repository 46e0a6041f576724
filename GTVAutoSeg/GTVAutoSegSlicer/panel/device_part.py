"""The device selector: automatic, CPU, and every GPU the probe found working."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt
from slicer.i18n import tr as _

from .widgets import fill


class DevicePart:
    """Lists the devices a run can be sent to.

    Args:
        ui: the panel's widgets.
        on_selected: called with the device's id when the user selects another one.
    """

    def __init__(self, ui: Any, on_selected: Callable[[str], None]) -> None:
        self._selector = ui.deviceSelector
        self._on_selected = on_selected
        self._selector.elideMode = qt.Qt.ElideMiddle
        self._devices: Sequence[dict[str, Any]] = ()
        self._ids: list[str] = []
        self._fill("auto")
        self._selector.connect("currentIndexChanged(int)", self._on_index_changed)

    def set_devices(self, devices: Sequence[dict[str, Any]]) -> None:
        """Take over what the probe found: id, name, memory_gb, usable, reason."""
        self._devices = devices
        self._fill(self.selected)

    def select(self, device: str) -> None:
        """Show a device as selected; one that is not here is listed as such."""
        if device != self.selected:
            self._fill(device)

    @property
    def selected(self) -> str:
        """The selected device's id."""
        return self._ids[self._selector.currentIndex]

    @property
    def may_use_gpu(self) -> bool:
        """Whether a run on the selected device may run on a GPU."""
        gpus = [device for device in self._devices if device["id"] != "cpu" and device["usable"]]
        return self.selected != "cpu" and not (self.selected == "auto" and self._devices and not gpus)

    def _fill(self, selected: str) -> None:
        labels = {"auto": _("Automatic"), "cpu": _("CPU")}
        labels.update({d["id"]: _label(d) for d in self._devices if d["usable"] and d["id"] != "cpu"})
        if selected not in labels:
            labels[selected] = _("{device} (not found here)").format(device=selected)
        self._ids = list(labels)
        fill(self._selector, labels.values(), self._ids.index(selected))

    def _on_index_changed(self, index: int) -> None:
        self._on_selected(self._ids[index])


def _label(device: dict[str, Any]) -> str:
    memory = f", {device['memory_gb']:.0f} GB" if device["memory_gb"] else ""
    return f"{device['name']} ({device['id']}{memory})"
