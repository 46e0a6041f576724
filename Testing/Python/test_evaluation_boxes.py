"""``evaluate --box``: a person's box around the tumour, simulated."""

from __future__ import annotations

import json

import numpy as np
import pytest
from bundles import make_bundle
from datasets import write_dataset

from GTVAutoSegLib.cascade.person import simulated_box
from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.evaluation.boxes import boxed, unboxed
from GTVAutoSegLib.images.volume import Volume


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("data") / "val", 2)


def run(*arguments: object) -> int:
    return main(["evaluate", *map(str, arguments)])


def test_a_box_has_its_slack_around_the_label_and_is_shifted_by_up_to_half_of_it():
    label = np.zeros((40, 50, 60), bool)
    label[15:25, 20:30, 25:35] = True
    volume = Volume(np.zeros(label.shape, np.int16), (1.0, 1.0, 1.0))
    regions = [simulated_box(label, volume, 8.0, f"case{number}") for number in range(50)]
    assert all(np.allclose(np.subtract(region.upper, region.lower), 26) for region in regions)
    shifts = np.array([np.add(region.lower, 8.5) - (25, 20, 15) for region in regions])
    assert abs(shifts).max() <= 4 and abs(shifts).max(0).min() > 3
    assert simulated_box(label, volume, 8.0, "case0") == regions[0] != simulated_box(label, volume, 9.0, "case0")


def test_the_overlap_is_reported_by_the_slack(dataset, everywhere, tmp_path, capsys):
    assert run(dataset, "--model", everywhere, "--box", 1, 6, "--output", tmp_path / "out") == 0
    figures = json.loads((tmp_path / "out" / "metrics.json").read_text())["models"]["everywhere"]
    assert list(figures) == [
        boxed(variant, slack) for slack in (1.0, 6.0) for variant in ("cascade", "all_slices", "true_slices")
    ]
    tight, loose = (figures[boxed("cascade", slack)]["dsc"]["mean"] for slack in (1, 6))
    assert tight > loose > 0  # a model that outlines everything outlines the box
    printed = capsys.readouterr().out
    assert "box 1 mm: cascade" in printed and "box 6 mm: segmenter on the true slices" in printed
    again = tmp_path / "again"
    assert run(dataset, "--model", everywhere, "--box", 1, 6, "--output", again) == 0
    assert (again / "cases.csv").read_text() == (tmp_path / "out" / "cases.csv").read_text()


def test_figures_of_whole_cts_say_so_of_a_model_that_looks_inside_a_box(dataset, everywhere, capsys, tmp_path):
    crops = {"size": 32, "crops": {"margin_mm": 4}}
    boxes = make_bundle(tmp_path / "boxes", bias=50.0, in_channels=3, preprocessing=crops)
    for given, told in (((), True), (("--box", 1), False)):
        assert run(dataset, "--model", boxes, "--output", tmp_path / "out", *given) == 0
        assert ("boxes: made to look inside a box, and measured here on whole CTs" in capsys.readouterr().out) is told
    assert run(dataset, "--model", everywhere, "--output", tmp_path / "out") == 0
    assert "whole CTs" not in capsys.readouterr().out


def test_a_variant_says_whether_it_was_in_a_box():
    assert unboxed(boxed("true_slices", 12.5)) == ("true_slices", 12.5)
    assert unboxed(boxed("all_slices", None)) == ("all_slices", None)


@pytest.mark.parametrize(
    ("given", "words"), [((5, 5), "different mm"), ((-1,), "from 0 to 1000"), (("nan",), "from 0 to 1000")]
)
def test_a_slack_that_makes_no_sense_is_refused(dataset, everywhere, tmp_path, capsys, given, words):
    assert run(dataset, "--model", everywhere, "--output", tmp_path / "out", "--box", *given) == 2
    assert words in capsys.readouterr().err


def test_masks_of_another_system_look_inside_no_box(dataset, tmp_path, capsys):
    assert run(dataset, "--predictions", tmp_path, "--output", tmp_path / "out", "--box", 10) == 2
    assert "only models look inside a box" in capsys.readouterr().err
