"""Where the checks run and on what, and how they say what they found."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ....cascade.cascade import Cascade
from ....cascade.load import load_model
from ....images.read import read_volume
from ....images.volume import Volume
from ..fitted_bundle import write_fitted_bundle
from ..phantom import make_phantom
from ..process import ROOT

SAMPLES = ROOT / "Testing" / "Data" / "sts-gtv"


class CheckFailedError(Exception):
    """Something is not as it should be; the message says what was got and what was expected."""


class LeftOutError(Exception):
    """A check that cannot be made here; the message says why."""


@dataclass(frozen=True)
class Place:
    """What all checks share; the defaults are what a real GPU is asked.

    Attributes:
        device: that is checked, such as "cuda:0".
        folder: for files; emptied by who made it.
        width: of the networks for the phantom.
        size: of their input, pixels.
        side: rows and columns of the phantom.
        slices: of the phantom.
        samples: folder of the real CTs, in the layout of a data set.
        model: for the real CTs.
    """

    device: str
    folder: Path
    width: int = 64
    size: int = 512
    side: int = 512
    slices: int = 100
    samples: Path = SAMPLES
    model: str = "sts-gtv"

    @cached_property
    def bundle(self) -> Path:
        """A model that finds the phantom's tumour."""
        folder = self.folder / "fitted"
        write_fitted_bundle(folder, self.width, self.size, self.side)
        return folder

    @cached_property
    def phantom(self) -> Volume:
        """A CT with tumour on a sixth of its slices."""
        phantom = make_phantom(self.slices, max(1, self.slices // 6), self.side)
        return Volume(phantom.hu, phantom.spacing, source="phantom")

    @cached_property
    def reference(self) -> Cascade:
        """The phantom's model on the CPU in float32."""
        return load_model(self.bundle, device="cpu", precision="fp32")

    def real_cts(self) -> dict[str, Volume]:
        """The samples that ship with a checkout, by name.

        Raises:
            LeftOutError: they are not there.
        """
        paths = sorted(self.samples.glob("*/data.nii.gz"))
        if not paths:
            raise LeftOutError(f"{self.samples} holds no CTs: they come with a checkout of the repository only")
        return {path.parent.name: read_volume(path) for path in paths}
