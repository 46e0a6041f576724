"""What a data set knows of its collected cases, the key of their pseudonyms, and who may write at a time."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.volume import Volume
from GTVAutoSegLib.system.lock import locked
from GTVAutoSegLib.training.data.collected import collect as module
from GTVAutoSegLib.training.data.collected.case import EditFigures, Provenance, read_collected
from GTVAutoSegLib.training.data.collected.collect import Origin, collect
from GTVAutoSegLib.training.data.collected.summary import summarise_dataset
from GTVAutoSegLib.training.data.dataset import find_cases, read_label


@pytest.fixture(autouse=True)
def own_key(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "user"))
    return tmp_path / "user" / "GTVAutoSeg" / "pseudonyms.key"


def ct(seed: int = 0) -> Volume:
    return Volume(np.random.default_rng(seed).integers(-900, 900, (4, 20, 20)).astype(np.int16))


def mask(value: int = 1) -> np.ndarray:
    array = np.zeros((4, 20, 20), np.uint8)
    array[1:3, 4:8, 4:8] = value
    return array


def edited(before: float, after: float) -> Provenance:
    return Provenance("GTVp", edited=EditFigures(10.0, 0.9, before, after, slices=2))


def test_whatever_is_not_0_in_a_mask_is_tumour(tmp_path):
    collect(ct(), mask(255), tmp_path, Provenance("GTVp"))
    (case,) = find_cases(tmp_path)
    assert np.array_equal(read_label(case, ct()), mask() > 0)


def test_what_a_killed_process_was_writing_is_no_case(tmp_path):
    (name,) = [collect(ct(), mask(), tmp_path, Provenance("GTVp")).folder.name]
    shutil.copytree(tmp_path / name, tmp_path / f".{name}.part")
    assert list(read_collected(tmp_path)) == [name]
    (tmp_path / name / "collect.json").write_text("{")
    with pytest.raises(InputError, match="collect.json is damaged .*remove the folder and collect the case again"):
        read_collected(tmp_path)


def test_two_processes_do_not_write_into_a_data_set_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_S", 0.0)
    with locked(tmp_path), pytest.raises(InputError, match="another run is writing to"):
        collect(ct(), mask(), tmp_path, Provenance("GTVp"))
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_the_mean_change_counts_what_became_larger_and_what_became_smaller(tmp_path):
    assert summarise_dataset(tmp_path / "none").cases == 0
    for seed, provenance in enumerate((edited(5.0, 6.0), edited(5.0, 2.0), Provenance("GTVp"))):
        collect(ct(seed), mask(), tmp_path / "set", provenance, Origin(str(seed), "A" if seed else "B"))
    found = summarise_dataset(tmp_path / "set")
    assert (found.cases, found.patients, found.measured) == (3, 2, 2)
    assert (found.added_path_length_mm, found.volume_change_ml) == (10.0, 2.0)


def test_a_key_that_a_killed_process_had_begun_to_write_is_written_anew(tmp_path, own_key):
    own_key.parent.mkdir(parents=True)
    own_key.touch()
    collect(ct(), mask(), tmp_path / "set", Provenance("GTVp"), Origin("1.2.3", "A"))
    assert len(own_key.read_bytes()) == 32 and own_key.stat().st_mode & 0o077 == 0


def test_a_key_that_is_no_key_is_refused_and_not_replaced(tmp_path, own_key):
    own_key.parent.mkdir(parents=True)
    own_key.write_bytes(b"short")
    with pytest.raises(InputError, match="has 5 bytes, expected 32"):
        collect(ct(), mask(), tmp_path / "set", Provenance("GTVp"), Origin("1.2.3", "A"))
    assert own_key.read_bytes() == b"short" and not find_folders(tmp_path / "set")


def find_folders(dataset):
    return [path.name for path in dataset.iterdir() if path.is_dir()]


def test_a_pseudonym_cannot_be_made_without_the_key(tmp_path, own_key):
    first = collect(ct(), mask(), tmp_path / "set", Provenance("GTVp"), Origin("1.2.3", "A")).case.patient
    own_key.unlink()
    again = collect(ct(), mask(), tmp_path / "other", Provenance("GTVp"), Origin("1.2.3", "A")).case.patient
    assert first != again and json.loads((tmp_path / "set" / "patients.json").read_text()).popitem()[1] == first
