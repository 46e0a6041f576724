"""An export as it is ordered: everything a scene says about it, as plain values, so that another process can do it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...images.masks.stored import Stored
from ...images.volume import Volume
from ...system.json_text import parse_json
from ...system.settings import as_json, parse_settings

ORDER = "order.json"


@dataclass(frozen=True)
class OrderedCT:
    """A CT that was loaded from DICOM.

    Attributes:
        name: for messages.
        size: voxels, (x, y, z).
        spacing: (x, y, z), mm.
        origin: (x, y, z) of the first voxel's centre, LPS, mm.
        direction: 9 numbers, see `Volume.direction`.
        slices: SOP instance UID and file of each slice, in no order; "" for a file that nobody knows.
        figures: which CT it is, for the audit trail.
    """

    name: str
    size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: tuple[float, ...]
    slices: tuple[tuple[str, str], ...] = ()
    figures: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, volume: Volume, name: str, slices: Sequence[tuple[str, str]], figures: Mapping[str, str]) -> OrderedCT:
        """The CT with the geometry of a volume."""
        x, y, z = volume.array.shape[::-1]
        return cls(
            name,
            size=(x, y, z),
            spacing=volume.spacing,
            origin=volume.origin,
            direction=volume.direction,
            slices=tuple(slices),
            figures=dict(figures),
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels, (z, y, x)."""
        x, y, z = self.size
        return z, y, x

    @property
    def volume(self) -> Volume:
        """A volume of this geometry; its voxels, which no export looks at, are all the same one."""
        voxels = np.broadcast_to(np.int16(0), self.shape)
        return Volume(
            voxels, spacing=self.spacing, origin=self.origin, direction=self.direction, source=f"'{self.name}'"
        )


@dataclass(frozen=True)
class OrderedSegment:
    """A segment that is to be exported.

    Attributes:
        segment_id: under which the segmentation has it.
        name: of the region in the file.
        kind: RT ROI Interpreted Type, such as GTV; "" takes what segment and name say.
        own_name: as the segment is called.
        color: (red, green, blue), each 0 to 1.
        terminology: as of `SegmentInfo`.
        tags: those of ours.
        start: as of `Stored`.
        to_ct: the 16 numbers of `Stored.to_ct`, row by row.
    """

    segment_id: str
    name: str
    kind: str
    own_name: str
    color: tuple[float, float, float]
    terminology: str
    start: tuple[int, int, int]
    to_ct: tuple[float, ...]
    tags: dict[str, str] = field(default_factory=dict)

    def stored(self, voxels: np.ndarray) -> Stored:
        """The segment with its voxels, (z, y, x)."""
        return Stored(voxels, self.start, np.reshape(self.to_ct, (4, 4)))


@dataclass(frozen=True)
class Order:
    """What is to be written where.

    Attributes:
        path: the file; .dcm is an RTSTRUCT, .seg.dcm a DICOM SEG.
        ct: the CT.
        segments: at least one.
        base: an RTSTRUCT whose regions are kept beside the new ones; "" for none.
    """

    path: str
    ct: OrderedCT
    segments: tuple[OrderedSegment, ...]
    base: str = ""

    def write(self, folder: Path, voxels: Sequence[np.ndarray]) -> None:
        """Write it, with the voxels of its segments, into a folder; raises OSError."""
        for number, array in enumerate(voxels):
            np.save(_voxels(folder, number), array)
        (folder / ORDER).write_text(json.dumps(as_json(self)), encoding="ascii")

    @classmethod
    def read(cls, folder: Path) -> tuple[Order, list[np.ndarray]]:
        """Read what `write` has written; raises InputError."""
        try:
            order = parse_settings(cls, parse_json((folder / ORDER).read_bytes()), ORDER)
            return order, [np.load(_voxels(folder, number)) for number in range(len(order.segments))]
        except (OSError, ValueError) as error:
            raise InputError(f"{folder} holds no order that can be read ({error}); export again") from error


def _voxels(folder: Path, number: int) -> Path:
    return folder / f"segment{number}.npy"
