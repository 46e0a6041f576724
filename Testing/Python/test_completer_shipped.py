"""The completer that comes with the project, on a real CT."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from GTVAutoSegLib import read_volume
from GTVAutoSegLib.cascade.completion.complete import complete
from GTVAutoSegLib.cascade.completion.completer import load_completer
from GTVAutoSegLib.cascade.person import inside
from GTVAutoSegLib.model.completer import read_completer

DATA = Path(__file__).resolve().parents[1] / "Data" / "sts-gtv"
LARGEST_BYTES = 4_000_000


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b)))


def test_it_is_small_and_says_what_it_learned_from():
    bundle = read_completer()
    files = [bundle.path / name for name in (*bundle.info.network.files, "model.json")]
    assert sum(file.stat().st_size for file in files) <= LARGEST_BYTES
    assert bundle.info.kind == "completer" and set(bundle.info.cases) == {"sts-gtv", "lung-tumour-roi"}
    assert "CC BY 3.0" in bundle.info.licence and "Vallieres" in bundle.info.data and "Bakr" in bundle.info.data


def test_one_drawn_slice_and_two_named_ends_are_better_completed_than_interpolated():
    folder = sorted(path for path in DATA.iterdir() if path.is_dir())[0]
    volume = read_volume(next(folder.glob("data*")))
    label = read_volume(next(folder.glob("label*"))).array != 0
    marked = np.flatnonzero(label.any(axis=(1, 2)))
    first, last = int(marked[0]), int(marked[-1])
    (drawn,) = inside(first, last, 1)
    masks = [
        complete(volume, label, drawn=[drawn], first=first, last=last, completer=completer).mask != 0
        for completer in (None, load_completer(device="cpu"))
    ]
    assert all(np.array_equal(mask[drawn], label[drawn]) for mask in masks)
    plain, completed = (dice(mask, label) for mask in masks)
    assert completed > plain + 0.05 and completed > 0.75
