"""What is kept of a case of a batch: ``result.json``, which the report, the summary and the next run read."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from ..cascade.result import ResultRecord
from ..system.settings import as_json, parse_settings
from .measures import Measures


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
