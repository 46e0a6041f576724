"""The folder in which a run keeps a patient's CT and mask: gone with the run, and at the latest with the next one."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path

from GTVAutoSegLib.errors import DiskError
from GTVAutoSegLib.system.lock import is_abandoned, locked

PREFIX = "GTVAutoSeg-"
CT = "ct.nrrd"


class RunFolder:
    """A temporary folder, locked as long as this process lives and has not removed it.

    Making one removes the folders of runs whose Slicer has crashed.

    Args:
        parent: Slicer's folder for temporary files.

    Attributes:
        path: the folder.
        ct: where the CT lies.
        mask: where the mask comes.
        probability: where the probability behind the mask comes.
        box: where the box lies that the tumour is looked for in.
        drawn: where the drawn slices lie that are to be completed.
        cancel: the file that asks the worker to stop.

    Raises:
        DiskError: no folder can be made there.
    """

    def __init__(self, parent: Path) -> None:
        remove_abandoned(parent)
        self._lock = ExitStack()
        try:
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
            self._lock.enter_context(locked(self.path))
        except OSError as error:
            raise DiskError(
                f"no folder for the run can be made in {parent} ({error.strerror}); free some space there, or choose "
                "another temporary folder in Slicer's settings"
            ) from error
        self.ct = self.path / CT
        self.mask = self.path / "mask.nrrd"
        self.probability = self.path / "probability.nrrd"
        self.box = self.path / "box.mrk.json"
        self.drawn = self.path / "drawn.nrrd"
        self.cancel = self.path / "cancel"

    def remove(self) -> None:
        """Remove it with all that is in it."""
        self._lock.close()  # Windows removes no open file
        shutil.rmtree(self.path, ignore_errors=True)


def remove_abandoned(parent: Path) -> None:
    """Remove the folders of this user's crashed runs; what cannot be removed or is in doubt stays."""
    with suppress(OSError):
        for folder in list(parent.glob(f"{PREFIX}*")):
            # A folder without a CT may be one that another Slicer is about to lock.
            if _is_own(folder) and (folder / CT).exists() and is_abandoned(folder):
                shutil.rmtree(folder, ignore_errors=True)  # of a link it removes nothing


def _is_own(folder: Path) -> bool:
    """Whether it belongs to this user; Windows has a temporary folder for each."""
    return os.name == "nt" or folder.lstat().st_uid == os.getuid()
