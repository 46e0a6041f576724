"""Who teaches and who validates: patients with several CTs stay together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from datasets import write_case, write_dataset

from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.training.data.dataset import read_patients
from GTVAutoSegLib.training.data.folds import load_folds, make_folds, read_dataset

NAMES = [f"case_{letter}" for letter in "abcdefgh"]
PATIENTS = {name: name for name in NAMES} | {"case_d": "case_a", "case_h": "case_a", "case_f": "case_c"}


def stored(names=NAMES, normal=()) -> dict[str, tuple[bool, ...]]:
    return {name: (name not in normal, False) for name in names}


@pytest.mark.parametrize("seed", range(5))
def test_all_cts_of_a_patient_are_in_one_fold(seed):
    folds = make_folds(stored(), 3, seed, PATIENTS)
    assert sorted(name for fold in folds for name in fold) == NAMES
    for patient in ("case_a", "case_c"):
        names = {name for name in NAMES if PATIENTS[name] == patient}
        assert [names <= set(fold) for fold in folds].count(True) == 1
        assert sum(bool(names & set(fold)) for fold in folds) == 1


def test_patients_with_one_ct_each_are_divided_as_if_nothing_were_said():
    alone = {name: name for name in NAMES}
    assert make_folds(stored(), 3, 1, alone) == make_folds(stored(), 3, 1)
    assert make_folds(stored(), 3, 1, PATIENTS) != make_folds(stored(), 3, 1)


def test_no_more_folds_are_made_than_patients():
    one = dict.fromkeys(NAMES[:3], "a") | {"case_d": "b"}
    assert sorted(make_folds(stored(NAMES[:4]), 5, 0, one)) == [NAMES[:3], ["case_d"]]
    with pytest.raises(InputError, match=r"has one patient by patients.json \(case_a, case_b\)"):
        make_folds(stored(NAMES[:2]), 5, 0, dict.fromkeys(NAMES, "a"))


def test_a_patient_counts_as_normal_when_none_of_its_cts_shows_tumour():
    folds = make_folds(stored(normal=("case_d", "case_b", "case_e")), 2, 0, PATIENTS)
    assert [len({"case_b", "case_e"} & set(fold)) for fold in folds] == [1, 1]


def test_folds_of_the_users_own_must_not_divide_a_patient(tmp_path):
    (tmp_path / "folds.json").write_text(json.dumps({"folds": [NAMES[:4], NAMES[4:]]}))
    with pytest.raises(InputError, match="case_c and case_f are of one patient by patients.json, and are divided"):
        load_folds(tmp_path, stored(), 5, 0, PATIENTS)


def test_train_and_val_must_not_share_a_patient(tmp_path):
    write_dataset(tmp_path / "train", 2)
    write_case(tmp_path / "val" / "other", 7)
    assert read_dataset(tmp_path)[1][0].validation == ("other",)
    (tmp_path / "patients.json").write_text('{"other": "patient1"}')
    with pytest.raises(InputError, match="patient1 and other are of one patient .* in train and in val"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "cannot be read"),
        ('["a"]', "does not map cases to patients"),
        ('{"case_a": 1}', "does not map cases to patients"),
        ('{"case_z": "P1"}', "names the case case_z, which is not in the data set"),
    ],
)
def test_a_damaged_list_of_patients_is_named(tmp_path: Path, text, words):
    (tmp_path / "patients.json").write_text(text)
    with pytest.raises(InputError, match=words):
        read_patients(tmp_path, NAMES)
