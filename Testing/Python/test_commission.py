"""Commissioning: figures and limits by hand, the page, what is refused, and what an earlier commission tells."""

from __future__ import annotations

import json
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bundles import make_bundle, make_completer
from datasets import save, write_case, write_dataset

from GTVAutoSegLib.cascade.completion.complete import complete
from GTVAutoSegLib.cascade.completion.completer import load_completer
from GTVAutoSegLib.cascade.person import inside
from GTVAutoSegLib.cascade.result import ModelRecord
from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.evaluation.cases import Failure
from GTVAutoSegLib.evaluation.commission.agreement import agreement, mean_of
from GTVAutoSegLib.evaluation.commission.earlier import compared, read_commission
from GTVAutoSegLib.evaluation.commission.figures import (
    CaseFigures,
    Commission,
    DataRecord,
    Ends,
    Subject,
    agreement_figures,
)
from GTVAutoSegLib.evaluation.commission.judge import RULES, judged
from GTVAutoSegLib.evaluation.commission.limits import Limits, load_limits
from GTVAutoSegLib.evaluation.commission.measure import worst_slices
from GTVAutoSegLib.evaluation.commission.outline import Outlined
from GTVAutoSegLib.evaluation.commission.page import commission_page
from GTVAutoSegLib.images.metrics import added_path_length, compare, surface_dice
from GTVAutoSegLib.images.read import read_volume
from GTVAutoSegLib.images.volume import Volume
from GTVAutoSegLib.system.settings import as_json


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data") / "clinic", 3)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    """Finds tumour everywhere."""
    return make_bundle(tmp_path_factory.mktemp("models") / "everywhere", size=32, bias=50.0)


@pytest.fixture(scope="module")
def filed(tmp_path_factory, dataset, bundle) -> Path:
    """The folder of a commission."""
    folder = tmp_path_factory.mktemp("filed") / "q3"
    assert run(dataset, "--model", bundle, "--output", folder, "--by", "Meyer^Anna") == 1
    return folder


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


def test_limits_of_agreement_are_bland_and_altmans():
    # 17 differences, mean -2.1 and SD 38.8 (Lancet 1986: limits -79.7, 75.5 with 2 SD; here 1.96).
    large = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
    mini = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]

    found = agreement([one - other for one, other in zip(large, mini)])

    assert found.cases == 17
    assert found.bias.value == pytest.approx(-2.1, abs=0.05)
    assert found.sd == pytest.approx(38.8, abs=0.05)
    assert found.upper.value == pytest.approx(-2.1 + 1.96 * 38.8, abs=0.1)
    # The same paper: the interval of the bias is -22.0 to 17.8.
    assert (found.bias.low, found.bias.high) == (pytest.approx(-22.0, abs=0.1), pytest.approx(17.8, abs=0.1))
    assert found.upper.high - found.upper.value == pytest.approx(found.upper.value - found.upper.low)
    assert found.upper.high - found.upper.value > found.bias.high - found.bias.value


def test_one_case_has_a_mean_without_interval_and_no_limits_of_agreement():
    assert agreement([3.0]) is None
    assert mean_of([3.0]).value == 3.0 and math.isnan(mean_of([3.0]).low)
    assert mean_of([None]) is None


@pytest.mark.parametrize("flip", [False, True])
def test_slices_are_missed_at_the_feet_and_the_head_end_however_the_ct_is_stored(flip):
    direction = (1.0, 0, 0, 0, 1.0, 0, 0, 0, -1.0 if flip else 1.0)
    volume = Volume(np.zeros((10, 8, 8), np.int16), (2.0, 2.0, 3.0), (0.0, 0.0, 0.0), direction)
    reference, mask = np.zeros((10, 8, 8), bool), np.zeros((10, 8, 8), np.uint8)
    reference[2:8, 2:6, 2:6] = True
    mask[3:9, 2:6, 2:6] = 1  # one short at the low end, one beyond the high one

    found = agreement_figures(mask, reference, volume, 2.0)

    low, high = ("head", "feet") if flip else ("feet", "head")
    ends = vars(found["ends"])
    assert {name for name, count in ends.items() if count} == {f"missed_{low}", f"extra_{high}"}
    assert (found["slices_missed"], found["slices_extra"], found["slices"]) == (1, 1, 6)
    assert found["dsc"] == pytest.approx(5 / 6, abs=1e-5)


def test_surface_dice_and_added_path_go_by_the_sites_tolerance():
    volume = Volume(np.zeros((3, 20, 20), np.int16), (2.0, 2.0, 3.0))
    reference, mask = np.zeros((3, 20, 20), bool), np.zeros((3, 20, 20), bool)
    reference[1, 5:15, 5:15] = True
    mask[1, 7:13, 7:13] = True  # 2 pixels, 4 mm smaller on every side

    assert surface_dice(mask, reference, volume, 2) == pytest.approx(compare(mask, reference, volume).surface_dice_2mm)
    assert surface_dice(mask, reference, volume, 6) == 1
    whole = 36 * 2.0
    assert added_path_length(mask, reference, volume).sum() == whole
    assert added_path_length(mask, reference, volume, 3.9).sum() == whole
    # All but the corners' pixels, which are farther than 4 mm: at each corner 2 on both sides of it.
    assert added_path_length(mask, reference, volume, 4.0).sum() == whole - 24 * 2.0
    assert added_path_length(mask, reference, volume, 6.0).sum() == 0
    assert added_path_length(np.zeros_like(mask), reference, volume, 6.0).sum() == whole


def test_the_worst_slices_lie_apart_and_are_counted_as_stored():
    shape = (20, 30, 30)
    hu = np.random.default_rng(0).integers(-100, 100, shape).astype(np.int16)
    reference, mask = np.zeros(shape, bool), np.zeros(shape, np.uint8)
    reference[2:18, 10:20, 10:20] = True
    mask[2:18, 10:20, 10:20] = 1
    for index, side in ((5, 4), (6, 3), (13, 2)):  # so many pixels too wide
        mask[index, 10 - side : 20 + side, 10 - side : 20 + side] = 1

    found = []
    for flip in (False, True):
        direction = (1.0, 0, 0, 0, 1.0, 0, 0, 0, -1.0 if flip else 1.0)
        order = slice(None, None, -1 if flip else 1)
        volume = Volume(np.ascontiguousarray(hu[order]), (2.0, 2.0, 3.0), (0.0, 0.0, 0.0), direction)
        made = Outlined(mask[order].copy(), reference[order].copy(), device="cpu", precision="fp32")
        found.append(worst_slices("a", made, volume=volume, window=(-160, 240)))

    assert [one.picture.caption for one in found[0]] == ["axial, slice 5", "axial, slice 13"]
    assert [one.picture.caption for one in found[1]] == ["axial, slice 14", "axial, slice 6"]
    assert [one.picture.png for one in found[0]] == [one.picture.png for one in found[1]]
    assert found[0][0].added_path_length_mm == (36 + 18 * 4 - 4) * 2.0


def test_every_limit_is_judged_by_its_own_figure():
    done = made(
        case("a", dsc=0.9, hd95_mm=4.0, difference_percent=10.0, ends=Ends(1, 0, 2, 0)),
        case("b", dsc=0.5, hd95_mm=8.0, difference_percent=-30.0, ends=Ends(0, 4, 0, 0)),
        case("normal", reference_ml=0.0, volume_ml=1.0, dsc=0.0, slices=0, hd95_mm=None, ends=None),
        failed=(Failure("broken", "no reason"),),
        limits=Limits(
            surface_dice_mean_at_least=0.8, hd95_mm_worst_at_most=8.0, added_path_share_mean_at_most=0.05,
            volume_agreement_percent_at_most=50.0, end_slices_extra_worst_at_most=1,
        ),
    )  # fmt: skip

    found = {one.key: (one.found, one.passed) for one in done.judgements}
    assert found == {
        "patients_at_least": (2, False),
        "cases_failed_at_most": (1, False),
        "tumours_missed_at_most": (0, True),
        "false_tumours_at_most": (1, False),
        "dsc_mean_at_least": (0.7, False),
        "dsc_worst_at_least": (0.5, True),
        "surface_dice_mean_at_least": (0.9, True),
        "hd95_mm_mean_at_most": (6.0, True),
        "hd95_mm_worst_at_most": (8.0, True),
        "added_path_share_mean_at_most": (0.1, False),
        "volume_bias_percent_at_most": (10.0, True),
        "volume_agreement_percent_at_most": (pytest.approx(10 + 1.96 * 28.28427, abs=1e-3), False),
        "end_slices_missed_worst_at_most": (4, False),
        "end_slices_extra_worst_at_most": (2, False),
    }
    assert set(found) == set(RULES)
    assert not done.passed
    assert done.sentence.startswith("Not passed: m 1.0.0 keeps 6 of 14 limits on 2 patients with a tumour (patients")
    assert "mean DSC 0.700, at least 0.800" in done.sentence


def test_the_interval_of_a_figure_ends_where_the_figure_does():
    done = made(case("a", dsc=0.99, hd95_mm=0.1), case("b", dsc=0.6, hd95_mm=9.0))
    dsc, hd95 = (judgement(done, key) for key in ("dsc_mean_at_least", "hd95_mm_mean_at_most"))
    assert (dsc.low, dsc.high, hd95.low) == (0.0, 1.0, 0.0) and hd95.high > 40
    alone = judgement(made(case("a", dsc=0.99)), "dsc_mean_at_least")
    assert alone.low is None and alone.high is None


def test_a_missed_tumour_leaves_no_limit_on_distances_kept():
    done = made(case("a"), case("b", volume_ml=0.0, dsc=0.0, hd95_mm=None, ends=None, difference_percent=-200.0))

    assert judgement(done, "tumours_missed_at_most").found == 1
    mean = judgement(done, "hd95_mm_mean_at_most")
    assert mean.found is None and not mean.passed
    assert not judgement(done, "end_slices_missed_worst_at_most").passed


def test_a_limit_kept_by_luck_says_so():
    done = made(case("a", dsc=1.0), case("b", dsc=0.7), limits=Limits(patients_at_least=None, dsc_mean_at_least=0.8))

    assert done.passed and done.sentence.startswith("Passed: m 1.0.0 keeps all 8 limits")
    assert "more patients" in judgement(done, "dsc_mean_at_least").note
    assert judgement(made(case("a"), case("b")), "dsc_mean_at_least").note == ""


def test_a_limit_that_is_missed_narrowly_is_told_with_the_decimals_that_show_it():
    done = made(case(dsc=0.7996), limits=Limits(patients_at_least=None, dsc_mean_at_least=0.8))
    assert "mean DSC 0.7996, at least 0.8000" in done.sentence
    page = commission_page(done, [])
    assert "at least 0.8000" in page and ">0.7996<" in page
    done = made(case(dsc=0.81), limits=Limits(patients_at_least=None, dsc_mean_at_least=0.8125))
    assert "mean DSC 0.8100, at least 0.8125" in done.sentence


def test_a_tumour_of_one_small_voxel_that_was_missed_is_on_the_page():
    volume = Volume(np.zeros((3, 20, 20), np.int16), spacing=(0.3, 0.3, 0.3))
    reference = np.zeros(volume.array.shape, bool)
    reference[1, 5, 5] = True
    figures = agreement_figures(np.zeros_like(reference, np.uint8), reference, volume, 2.0)
    assert figures["reference_ml"] == pytest.approx(2.7e-5)
    assert "Outline minus reference" in commission_page(made(replace(case(), **figures)), [])


def test_patients_are_counted_and_not_their_cts():
    done = made(case("a", patient="p"), case("b", patient="p"), limits=Limits(patients_at_least=2))

    assert judgement(done, "patients_at_least").found == 1
    assert "2 cases are of 1 patients" in commission_page(done, ())


def test_patients_that_the_model_has_learned_from_make_no_commission():
    done = made(*(case(name, patient=name[0]) for name in ("a1", "a2", "b", "c")), limits=Limits(patients_at_least=3))
    assert judgement(done, "patients_at_least").passed
    taught = judged(replace(done, subject=replace(done.subject, learned="some", learned_from=("a1",))))
    assert judgement(taught, "patients_at_least").found == 2 and not taught.passed
    assert "who are not known to have taught the model 2, at least 3" in taught.sentence


def test_a_commission_is_filed_as_page_and_json(filed, dataset):
    assert sorted(path.name for path in filed.iterdir() if path.name[0] != ".") == [
        "commission.html",
        "commission.json",
    ]
    content = read(filed)
    page = (filed / "commission.html").read_text()

    assert [one["case"] for one in content["cases"]] == ["patient0", "patient1", "patient2"]
    first = content["cases"][0]
    volume = read_volume(dataset / "patient0" / "data.nii.gz")
    label = read_volume(dataset / "patient0" / "label.nii.gz").array > 0
    assert first["reference_ml"] == pytest.approx(label.sum() * 3 / 1000, abs=1e-4)
    assert first["slices"] == int(label.any(axis=(1, 2)).sum())
    assert first["ends"]["extra_feet"] > 0 and first["ends"]["missed_feet"] == 0
    assert volume.array.size * 3 / 1000 >= first["volume_ml"] > first["reference_ml"]
    assert content["passed"] is False and content["sentence"] in page.replace("&#x27;", "'")
    assert content["by"] == "Meyer^Anna" and "Meyer^Anna" in page
    assert content["subject"]["model"]["digest"] in page and content["data"]["digest"] in page
    assert {"gtvautoseg", "torch", "numpy", "scipy", "system"} <= content["versions"].keys()
    assert page.count("<svg") == 2 and "patient1</text>" in page and "bias " in page
    assert 1 <= page.count("<img") <= 6 and 'src="data:image/png;base64,' in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "<thead>" in page and "Carried out by" in page
    assert "does not tell which CTs it has learned from" in page
    assert read_commission(filed).to_json() == content


def test_several_processes_find_the_same(filed, dataset, bundle, tmp_path):
    assert run(dataset, "--model", bundle, "--output", tmp_path / "out", "--workers", 2) == 1

    one, two = read(filed), read(tmp_path / "out")
    for cases in (one["cases"], two["cases"]):
        for figures in cases:
            figures.pop("seconds")
    assert one["cases"] == two["cases"] and one["judgements"] == two["judgements"]
    assert one["data"] == two["data"]


def test_the_same_again_has_not_changed(filed, dataset, bundle, tmp_path, capsys):
    assert run(dataset, "--model", bundle, "--output", tmp_path / "q4", "--against", filed) == 1

    against = read(tmp_path / "q4")["against"]
    assert "nothing has changed: the outlines of all 3 cases are the same, voxel for voxel" in against["sentence"]
    assert (against["common"], against["same_outlines"], against["differs"]) == (3, 3, [])
    assert against["sentence"] in (tmp_path / "q4" / "commission.html").read_text()
    assert against["sentence"] in capsys.readouterr().out


def test_what_has_changed_since_is_told_case_by_case():
    earlier = made(*(case(name, dsc=0.9) for name in "abc"))
    new = [case(name, dsc=0.6, mask_sha256="other") for name in "ab"]
    now = made(*new, case("d"), versions={"gtvautoseg": "2"})

    found = compared(now, earlier)

    assert (found.common, found.same_outlines) == (2, 0)
    assert found.sentence.startswith("Since 2026-08-28 2 of 2 outlines have changed; mean DSC 0.900 then and 0.600 now")
    assert "difference -0.300" in found.sentence and "no longer kept: mean DSC" in found.sentence
    change = next(one for one in found.changes if one.text == "DSC")
    assert (change.cases, change.earlier, change.now, change.difference) == (2, 0.9, 0.6, -0.3)
    assert "data: 1 cases are new or changed, 1 of then are gone" in found.differs
    assert "gtvautoseg: 1 then, 2 now" in found.differs


def test_other_tolerances_and_no_common_case_are_not_compared():
    earlier = made(case("a"))
    limits = Limits(patients_at_least=None, surface_tolerance_mm=3.0)

    assert "surface Dice" not in [one.text for one in compared(made(case("a"), limits=limits), earlier).changes]
    assert "nothing can be compared" in compared(made(case("z")), earlier).sentence


def test_a_model_for_boxes_looks_inside_simulated_ones(tmp_path, dataset):
    crops = {"margin_mm": 5.0, "slack_mm": [1.0, 20.0], "shown_mm": 20.0}
    boxed = make_bundle(
        tmp_path / "boxed", size=32, bias=50.0, in_channels=3,
        preprocessing={"window": [-160, 240], "size": 32, "crops": crops},
    )  # fmt: skip

    assert run(dataset, "--model", boxed, "--output", tmp_path / "out") == 1

    content = read(tmp_path / "out")
    assert content["subject"]["boxes"] == [20.0, 10.0, 40.0]
    assert all(set(one["dsc_by_box"]) == {"20", "10", "40"} for one in content["cases"])
    assert all(one["dsc_by_box"]["20"] == one["dsc"] for one in content["cases"])
    assert content["cases"][0]["dsc_by_box"]["10"] > content["cases"][0]["dsc_by_box"]["40"]
    assert "By how the box is drawn" in (tmp_path / "out" / "commission.html").read_text()


def test_what_a_person_and_a_completer_make_together_is_measured_on_the_slices_between(tmp_path, capsys):
    root = write_dataset(tmp_path / "set", 2, slices=24)
    completer = make_completer(tmp_path / "completer")

    found = run(root, "--drawn", 3, "--completer", completer, "--output", tmp_path / "out")

    assert found == 1
    content = read(tmp_path / "out")
    assert content["subject"]["drawn"] == 3 and content["subject"]["model"]["id"] == "completer"
    for one in content["cases"]:
        volume = read_volume(root / one["case"] / "data.nii.gz")
        label = read_volume(root / one["case"] / "label.nii.gz").array > 0
        slices = np.flatnonzero(label.any(axis=(1, 2)))
        drawn = inside(int(slices[0]), int(slices[-1]), 3)
        whole = complete(
            volume, label, drawn=drawn, first=int(slices[0]), last=int(slices[-1]),
            completer=load_completer(completer, "cpu"),
        ).mask > 0  # fmt: skip
        label[drawn] = whole[drawn] = False
        assert one["slices"] == len(slices) - 3
        assert one["dsc"] == pytest.approx(compare(whole, label, volume).dsc, abs=1e-5)
    assert "draws the reference on 3 between" in (tmp_path / "out" / "commission.html").read_text()

    assert (
        run(root, "--drawn", 2, "--completer", completer, "--output", tmp_path / "b", "--against", tmp_path / "out")
        == 2
    )
    assert "is with 3 drawn slices, and this one with 2" in capsys.readouterr().err
    assert run(root, "--drawn", 99, "--completer", completer, "--output", tmp_path / "c") == 2
    assert "expected some that are and some that are not" in capsys.readouterr().err


def test_limits_are_a_file_whose_defaults_can_be_written(tmp_path, dataset, bundle):
    file = tmp_path / "limits.json"
    assert run("--write-limits", file) == 0
    assert load_limits(file) == Limits()

    lenient = {**dict.fromkeys(as_json(Limits())), "surface_tolerance_mm": 3, "cases_failed_at_most": 0}
    file.write_text(json.dumps(lenient))
    assert run(dataset, "--model", bundle, "--output", tmp_path / "out", "--limits", file) == 0
    assert [one["key"] for one in read(tmp_path / "out")["judgements"]] == ["cases_failed_at_most"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"dsc_mean": 0.8}', "has the unknown key 'dsc_mean', expected some of: surface_tolerance_mm, "),
        ('{"dsc_mean_at_least": "high"}', "dsc_mean_at_least is 'high', expected a number"),
        ('{"dsc_mean_at_least": NaN}', "dsc_mean_at_least is nan, expected a number from 0 upwards"),
        ('{"dsc_mean_at_least": 80}', "dsc_mean_at_least is 80.0, expected a number from 0 to 1"),
        ('{"patients_at_least": 2.5}', "patients_at_least is 2.5, expected a whole number"),
        ('{"hd95_mm_mean_at_most": true}', "hd95_mm_mean_at_most is True, expected a number"),
        ('{"surface_tolerance_mm": 0}', "surface_tolerance_mm is 0.0, expected mm above 0"),
        ("[]", "is a list, expected an object"),
        ("{", "is no JSON"),
    ],
)
def test_wrong_limits_are_a_sentence(tmp_path, dataset, bundle, capsys, text, message):
    (tmp_path / "limits.json").write_text(text)

    assert run(dataset, "--model", bundle, "--output", tmp_path / "out", "--limits", tmp_path / "limits.json") == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1 and "--write-limits" in said
    assert not (tmp_path / "out").exists()


def test_one_case_is_filed_without_limits_of_agreement(tmp_path, bundle):
    write_case(tmp_path / "set" / "only", 0)
    (tmp_path / "limits.json").write_text('{"volume_agreement_percent_at_most": 50}')

    assert (
        run(tmp_path / "set", "--model", bundle, "--output", tmp_path / "out", "--limits", tmp_path / "limits.json")
        == 1
    )

    assert "One case has no limits of agreement" in (tmp_path / "out" / "commission.html").read_text()
    found = next(one for one in read(tmp_path / "out")["judgements"] if one["key"].startswith("volume_agreement"))
    assert found["found"] is None and not found["passed"]


def test_a_case_without_a_tumour_counts_only_as_a_false_one(tmp_path, bundle):
    write_case(tmp_path / "set" / "ill", 0)
    write_case(tmp_path / "set" / "normal", 1, tumour=False)

    assert run(tmp_path / "set", "--model", bundle, "--output", tmp_path / "out") == 1

    content = read(tmp_path / "out")
    found = {one["key"]: one["found"] for one in content["judgements"]}
    assert found["false_tumours_at_most"] == 1 and found["patients_at_least"] == 1
    assert found["dsc_mean_at_least"] == pytest.approx(content["cases"][0]["dsc"])


def test_a_ct_that_is_there_twice_is_no_second_patient(tmp_path, bundle):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_case(tmp_path / "set" / name, seed)

    assert run(tmp_path / "set", "--model", bundle, "--output", tmp_path / "out") == 1

    content = read(tmp_path / "out")
    assert [one["case"] for one in content["cases"]] == ["a", "c"]
    assert [(one["case"], "b and a hold the same CT" in one["reason"]) for one in content["failed"]] == [("b", True)]
    found = {one["key"]: one["found"] for one in content["judgements"]}
    assert found["patients_at_least"] == 2 and found["cases_failed_at_most"] == 1


def test_a_case_that_cannot_be_read_fails_by_name_and_is_not_passed_over(tmp_path, dataset, bundle):
    broken = shutil.copytree(dataset, tmp_path / "set")
    save(np.zeros((6, 40, 43), np.uint8), broken / "patient1" / "label.nii.gz")

    assert run(broken, "--model", bundle, "--output", tmp_path / "out") == 1

    content = read(tmp_path / "out")
    assert [one["case"] for one in content["failed"]] == ["patient1"] and len(content["cases"]) == 2
    page = (tmp_path / "out" / "commission.html").read_text()
    assert "patient1 could not be measured: label.nii.gz lies on another grid than data.nii.gz" in page
    assert str(tmp_path) not in page + (tmp_path / "out" / "commission.json").read_text()


@pytest.mark.parametrize("what", ["none", "empty", "no tumour", "no label"])
def test_a_data_set_without_a_usable_case_is_a_sentence(tmp_path, bundle, capsys, what):
    root = tmp_path / "set"
    if what != "none":
        root.mkdir()
    if what in ("no tumour", "no label"):
        write_case(root / "normal", 0, tumour=False)
    if what == "no label":
        (root / "normal" / "label.nii.gz").unlink()

    assert run(root, "--model", bundle, "--output", tmp_path / "out") == 2

    said = capsys.readouterr().err
    expected = {
        "none": "is not a folder",
        "empty": "holds no case",
        "no tumour": "none of the 1 labels of",
        "no label": "has data but no label",
    }
    assert expected[what] in said and said.count("\n") == 1
    assert not (tmp_path / "out" / "commission.json").exists()


def test_an_earlier_commission_is_never_replaced_unless_asked(filed, dataset, bundle, tmp_path, capsys):
    copy = shutil.copytree(filed, tmp_path / "copy")
    before = (copy / "commission.json").read_bytes()

    assert run(dataset, "--model", bundle, "--output", copy) == 2
    assert "holds a commission already, which is a record" in capsys.readouterr().err
    assert (copy / "commission.json").read_bytes() == before

    assert run(dataset, "--model", bundle, "--output", copy, "--replace") == 1
    assert (copy / "commission.json").read_bytes() != before
    assert run("--write-limits", copy / "commission.json") == 2


def test_a_commission_or_a_data_set_of_another_structure_is_refused(filed, dataset, bundle, tmp_path, capsys):
    other = shutil.copytree(filed, tmp_path / "other")
    content = read(other)
    content["subject"]["roi"] = "GTVn"
    (other / "commission.json").write_text(json.dumps(content))
    assert run(dataset, "--model", bundle, "--output", tmp_path / "out", "--against", other) == 2
    assert "is of GTVn (everywhere), and this model outlines GTVp" in capsys.readouterr().err

    collected = shutil.copytree(dataset, tmp_path / "collected")
    record = {
        "patient": "", "ct_sha256": "0", "mask_sha256": "0", "provenance": {"region": "GTVn"},
        "collected_by": "x", "collected_at": "2026-01-01",
    }  # fmt: skip
    (collected / "patient1" / "collect.json").write_text(json.dumps(record))
    assert run(collected, "--model", bundle, "--output", tmp_path / "out") == 2
    assert "patient1 is an outline of 'GTVn', and the model outlines 'GTVp'" in capsys.readouterr().err
    assert run(collected, "--model", bundle, "--output", tmp_path / "out", "--region", "GTVn") == 1
    assert read(tmp_path / "out")["data"]["region"] == "GTVn"


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": 2}', '{"schema": 1}'])
def test_what_is_no_earlier_commission_is_a_sentence(dataset, bundle, tmp_path, capsys, text):
    (tmp_path / "commission.json").write_text(text)

    assert run(dataset, "--model", bundle, "--output", tmp_path / "out", "--against", tmp_path) == 2
    said = capsys.readouterr().err
    assert "is no commission" in said and said.count("\n") == 1


def test_a_damaged_model_is_told_before_a_case_is_read(tmp_path, dataset, bundle, capsys):
    damaged = shutil.copytree(bundle, tmp_path / "damaged")
    weights = damaged / "segmenter.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")

    assert run(dataset, "--model", damaged, "--output", tmp_path / "out") == 3
    assert "the file is damaged or was changed" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_device_that_is_not_there_is_told_before_a_case_is_read(tmp_path, dataset, bundle, monkeypatch, capsys):
    monkeypatch.setattr("GTVAutoSegLib.evaluation.commission.run.in_order", None)
    arguments = [str(dataset), "--model", str(bundle), "--output", str(tmp_path / "out"), "--device", "cuda:99"]

    assert main(["commission", *arguments]) == 2
    said = capsys.readouterr().err
    assert "cuda" in said and said.count("\n") == 1


def test_a_full_disk_leaves_no_commission(tmp_path, dataset, bundle, monkeypatch, capsys):
    def full(self, *arguments, **keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)

    assert run(dataset, "--model", bundle, "--output", tmp_path / "out") == 4
    assert "could not be written (No space left on device)" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name[0] != "."] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "DATASET is missing"),
        (["DATASET"], "--model is missing"),
        (["DATASET", "--model", "m"], "--output is missing"),
        (["DATASET", "--model", "m", "--drawn", "3", "--output", "o"], "--model was given with --drawn"),
        (["DATASET", "--model", "m", "--completer", "c", "--output", "o"], "--completer was given without --drawn"),
        (["DATASET", "--model", "MODEL", "--output", "out", "--box", "5", "5"], "--box is 5 5; expected different mm"),
        (["DATASET", "--model", "nobodys", "--output", "out"], "model 'nobodys' does not exist"),
        (["DATASET", "--model", "MODEL", "--output", "DATASET"], "is the data set itself, which is only read"),
    ],
)
def test_wrong_usage_is_a_sentence(tmp_path, dataset, bundle, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    words = [{"DATASET": str(dataset), "MODEL": str(bundle)}.get(one, one) for one in arguments]

    assert main(["commission", *words]) in (2, 3)
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
