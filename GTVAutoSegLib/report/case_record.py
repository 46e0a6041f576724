"""What is kept of a case of a batch: ``result.json``, which the report, the summary and the next run read."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

from ..cascade.result import ResultRecord
from ..system.settings import as_json, parse_settings
from .measures import Measures
from .record.approval import Approval
from .record.edits import Edit


@dataclass(frozen=True)
class Correction:
    """What a person made of a result, as the next run of the batch found it.

    Attributes:
        found: when, ISO 8601.
        source: name of the file that was changed.
        mask_sha256: of the corrected mask's bytes (z, y, x).
        edit: against the automatic mask.
        tumour_slices: slices with tumour.
        extent_mm: size along the axial x, y and z axes, mm.
        measures: further figures; None when nothing is left.
        others: names of further regions in the same file.
    """

    found: str
    source: str
    mask_sha256: str
    edit: Edit
    tumour_slices: tuple[int, ...]
    extent_mm: tuple[float, ...]
    measures: Measures | None = None
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class CaseRecord:
    """A case's result; in JSON the keys of `ResultRecord` stand beside the other fields.

    Attributes:
        case: its name.
        finished: when, ISO 8601.
        result: what the run found.
        measures: further figures; None when nothing was found.
        check: whether a person has to look before any use.
        doubts: why the CT may be unsuitable, one sentence each.
        key: what the result depends on, see `batch.plan.Plan`.
        files: bytes of the result's other files, by name.
        sha256: of the same files.
        automatic: the mask as the model made it, see `images.masks.packed`; "" where a former version left none.
        correction: what a person made of it; None while nobody has.
        approval: a person's, of the outline as it is now; None when there is none.
        withdrawn: the approval that was taken back last, if none was given since.
        pending: SHA-256 of files that are being replaced because of an approval or its withdrawal; each is still the
            one of ``sha256``, or this one already. {} but for a run that was killed.
    """

    case: str
    finished: str
    result: ResultRecord
    measures: Measures | None = None
    check: bool = False
    doubts: tuple[str, ...] = ()
    key: dict[str, Any] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)
    automatic: str = ""
    correction: Correction | None = None
    approval: Approval | None = None
    withdrawn: Approval | None = None
    pending: dict[str, str] = field(default_factory=dict)

    def knows(self, name: str, sha256: str) -> bool:
        """Whether one of the result's files is as it was left, by its hash."""
        return sha256 in (self.sha256.get(name), self.pending.get(name))

    @property
    def check_first(self) -> bool:
        """Whether a person has to look before any use, and nobody has approved it yet."""
        return self.check and self.approval is None

    @property
    def current(self) -> CaseRecord:
        """The record with the figures of the correction, where there is one."""
        fix = self.correction
        if fix is None:
            return self
        result = replace(
            self.result,
            volume_ml=fix.edit.volume_after_ml,
            tumour_slices=fix.tumour_slices,
            extent_mm=fix.extent_mm,
            mask_sha256=fix.mask_sha256,
            reason="" if fix.tumour_slices else "a person erased the outline",
        )
        return replace(self, result=result, measures=fix.measures)

    @classmethod
    def from_json(cls, data: Any) -> CaseRecord:
        """Read a record from decoded JSON; further keys are left aside. Raises ValueError for what is none."""
        if not isinstance(data, dict):
            raise ValueError("the record of a case is no object")
        own = {one.name: data[one.name] for one in fields(cls) if one.name in data}
        own |= {"result": data, "measures": data.get("measures") or None}
        return parse_settings(cls, own, "the record of a case", others=True)

    def to_json(self) -> dict[str, Any]:
        """The record as JSON-ready values."""
        own = as_json(self)
        result = own.pop("result")
        return {**own, **result, "measures": own["measures"] or {}}
