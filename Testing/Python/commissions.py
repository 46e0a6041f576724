"""Commissions for tests: the command, cases with figures of one's own, and what was judged of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from GTVAutoSegLib.cascade.result import ModelRecord
from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.evaluation.commission.figures import (
    CaseFigures,
    Commission,
    DataRecord,
    Ends,
    Subject,
)
from GTVAutoSegLib.evaluation.commission.judge import judged
from GTVAutoSegLib.evaluation.commission.limits import Limits


def run(*arguments: object) -> int:
    return main(["commission", *map(str, arguments), *(["--device", "cpu"] if len(arguments) > 2 else [])])


def read(folder: Path) -> dict:
    return json.loads((folder / "commission.json").read_text())


def case(name: str = "a", **changes) -> CaseFigures:
    values = {
        "case": name, "patient": name, "voxels_sha256": name, "reference_sha256": "r", "mask_sha256": "m",
        "volume_ml": 10.0, "reference_ml": 10.0, "dsc": 0.9, "hd95_mm": 2.0, "surface_dice": 0.9,
        "added_path_length_mm": 10.0, "added_path_share": 0.1, "difference_ml": 0.0, "difference_percent": 0.0,
        "ends": Ends(0, 0, 0, 0), "slices_missed": 0, "slices_extra": 0, "slices": 5, "device": "cpu",
        "precision": "fp32", "seconds": 1.0,
    }  # fmt: skip
    return CaseFigures(**{**values, **changes})


def made(*cases: CaseFigures, limits: Limits = Limits(patients_at_least=None), **changes) -> Commission:  # noqa: B008
    subject = Subject(ModelRecord("m", "1.0.0", "d" * 64), "Model", roi="GTVp", training="none", learned="none")
    done = Commission(
        1, date="2026-08-28T10:00:00+00:00", by="", subject=subject, data=DataRecord("d", "0"), limits=limits,
        cases=cases, failed=(), versions={"gtvautoseg": "1"},
    )  # fmt: skip
    return judged(replace(done, **changes))


def judgement(done: Commission, key: str):
    return next(one for one in done.judgements if one.key == key)
