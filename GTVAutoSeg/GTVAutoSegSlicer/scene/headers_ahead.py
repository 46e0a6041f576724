"""The headers of a CT's DICOM files, read a few at a time before the export needs them all."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import slicer

from GTVAutoSegLib.errors import GTVAutoSegError
from GTVAutoSegLib.images.dicom.headers import read_header

from ..run.background import Poller
from .ct_identity import INSTANCES

# For so long the window stands still between two turns of its event loop.
TURN_S = 0.04


class HeadersAhead:
    """Reads the headers of one CT after the other; the library keeps them, so that an export does not wait for them.

    What cannot be read is passed over: the export says what is wrong with it.
    """

    def __init__(self) -> None:
        self._instances = ""
        self._files: Iterator[Path] = iter(())
        self._poller: Poller | None = None

    def follow(self, ct: Any) -> None:
        """Read those of this CT; None, or a CT that is not from DICOM, ends the reading."""
        instances = (ct.GetAttribute(INSTANCES) or "") if ct is not None else ""
        if instances == self._instances:
            return
        if self._poller is not None:
            self._poller.stop()
            self._poller = None
        self._instances = instances
        database = getattr(slicer, "dicomDatabase", None)
        if instances and database is not None and database.isOpen:
            self._files = (Path(database.fileForInstance(one) or "") for one in instances.split())
            self._poller = Poller(self.poll)
            self._poller.start()

    def poll(self) -> bool:
        """Read some headers, and say whether those were the last."""
        until = time.monotonic() + TURN_S
        while time.monotonic() < until:
            file = next(self._files, None)
            if file is None:
                return True
            with suppress(GTVAutoSegError, OSError):
                read_header(file)
        return False
