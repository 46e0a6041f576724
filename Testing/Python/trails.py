"""Audit trails of any dates, as a site would have written them, for tests of what is read from them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np

from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.report.drift.series import week_name
from GTVAutoSegLib.report.record.audit import AUDIT, FIRST

START = datetime(2025, 9, 1, 20, tzinfo=timezone.utc)  # a Monday
MODEL = {"model": "sts-gtv", "version": "2.0.0", "digest": "d" * 64}


def write_trail(folder: Path, records: Iterable[Mapping[str, Any]], name: str = AUDIT) -> Path:
    """Write a trail whose chain holds; records tell `at` and `what`."""
    folder.mkdir(parents=True, exist_ok=True)
    lines, previous = [], FIRST
    for number, given in enumerate(records, 1):
        record = {"number": number, "who": "meyer", **given, "previous": previous}
        previous = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
        lines.append(json.dumps({**record, "sha256": previous}))
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def edited(case: str, at: datetime, length: float, **changes: Any) -> dict[str, Any]:
    """A record of a batch's correction: 20 mL that became 21."""
    record = {
        "at": at.isoformat(timespec="seconds"),
        "what": "edit",
        "case": case,
        "scanner": "ACME CT 5",
        **MODEL,
        "proposed_sha256": hashlib.sha256(case.encode()).hexdigest(),
        "added_path_length_mm": length,
        "volume_before_ml": 20.0,
        "volume_after_ml": 21.0,
        "slices_changed": 3,
    }
    return {**record, **changes}


def year(
    *, weeks: int = 52, shift_at: int | None = None, factor: float = 2.0, seed: int = 0, **changes: Any
) -> list[dict[str, Any]]:
    """Four corrected cases a week; from a week on, people draw ``factor`` times as much anew."""
    chance = np.random.default_rng(seed)
    found = []
    for week in range(weeks):
        for number in range(4):
            length = float(chance.gamma(4.0, 12.0)) * (factor if shift_at is not None and week >= shift_at else 1.0)
            at = START + timedelta(weeks=week, days=number, minutes=int(chance.integers(0, 600)))
            after = round(20 * float(chance.normal(1.02, 0.05)), 3)
            name = f"case_{seed}_{week:02}_{number}"
            found.append(edited(name, at, round(length, 1), volume_after_ml=after, **changes))
    return found


def drift(tmp_path, capsys, *words, folders=None):
    """Exit code, standard output, standard error, and drift.json."""
    given = folders or [tmp_path / "in"]
    code = main(["drift", *map(str, given), "--output", str(tmp_path / "out"), *map(str, words)])
    said = capsys.readouterr()
    path = tmp_path / "out" / "drift.json"
    return code, said.out, said.err, json.loads(path.read_text()) if path.is_file() else None


def week(number):
    """Name of a week after the first one of `year`."""
    return week_name((START + timedelta(weeks=number)).date())
