"""The slice threshold is chosen by the Dice the cascade reaches with it."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from bundles import make_bundle
from datasets import write_dataset, write_preset, write_task

from GTVAutoSegLib.cascade.assembly import load_cascade
from GTVAutoSegLib.cascade.inference import ensemble_probabilities
from GTVAutoSegLib.commands.cli import main as command
from GTVAutoSegLib.model.bundle import read_bundle
from GTVAutoSegLib.model.info import Thresholds
from GTVAutoSegLib.study.thresholds import main
from GTVAutoSegLib.training.data.batches import as_input
from GTVAutoSegLib.training.data.crop_set import samples_of
from GTVAutoSegLib.training.data.dataset import find_cases
from GTVAutoSegLib.training.data.slice_store import build_store
from GTVAutoSegLib.training.results.bundles import _unvoted
from GTVAutoSegLib.training.results.threshold import (
    MASKS,
    SliceFigures,
    best_threshold,
    best_thresholds,
    measure_case,
    threshold_curves,
)


def figures(probability, overlap, outlined, truth) -> SliceFigures:
    return SliceFigures(*(np.array(values, float) for values in (probability, overlap, outlined, truth)))


def test_the_dice_counts_only_picked_slices_but_all_of_the_label():
    case = figures([0.9, 0.3, 0.1], [10, 8, 0], [12, 10, 5], [10, 10, 0])
    assert case.dsc(0.5) == pytest.approx(2 * 10 / (12 + 20))
    assert case.dsc(0.2) == pytest.approx(2 * 18 / (22 + 20))
    assert case.dsc(0.05) == pytest.approx(2 * 18 / (27 + 20))


def test_a_slice_that_just_reaches_the_threshold_is_picked():
    case = figures([0.5, 0.25], [10, 10], [10, 10], [10, 10])
    assert (case.dsc(0.5), case.dsc(0.25)) == (pytest.approx(2 * 10 / (10 + 20)), 1.0)


def test_a_hesitant_classifier_gets_a_lower_threshold():
    case = figures([0.9, 0.3, 0.1], [10, 8, 0], [12, 10, 5], [10, 10, 0])
    assert 0.1 < best_threshold([case]) <= 0.3


def test_an_overeager_classifier_gets_a_higher_threshold():
    case = figures([0.95, 0.7, 0.7], [10, 0, 0], [10, 9, 9], [10, 0, 0])
    assert 0.7 < best_threshold([case]) <= 0.95


def test_where_nothing_is_gained_it_stays_at_one_half():
    case = figures([1.0, 1.0, 0.0], [10, 10, 0], [10, 10, 10], [10, 10, 0])
    assert best_threshold([case]) == 0.5


def test_a_normal_case_speaks_for_picking_nothing():
    tumour = figures([0.8], [10], [10], [10])
    normal = figures([0.6, 0.4], [0, 0], [5, 5], [0, 0])
    assert normal.dsc(0.7) == 1.0 and normal.dsc(0.5) == 0.0
    assert 0.6 < best_threshold([tumour, normal]) <= 0.8


def hesitant_segmenter():
    """At a mask threshold of up to 0.3 the whole tumour is outlined, above it half of it."""
    whole, half = figures([0.9], [10], [10], [10]), figures([0.9], [5], [5], [10])
    return {mask: whole if mask <= 0.3 else half for mask in MASKS}


def test_a_hesitant_segmenter_gets_a_lower_mask_threshold_and_the_slice_threshold_stays():
    chosen = best_thresholds([hesitant_segmenter()])
    assert (chosen.slice, chosen.mask) == (0.5, 0.3)


def test_the_curves_show_what_each_threshold_costs():
    case = hesitant_segmenter()
    curves = threshold_curves([case, case], best_thresholds([case]))
    assert curves["mask"]["0.3"] == 1.0 and curves["mask"]["0.5"] == pytest.approx(0.6667)
    assert curves["slice"]["0.9"] == 1.0 and curves["slice"]["0.95"] == 0.0


def test_thresholds_are_chosen_on_slices_as_the_model_sees_them(tmp_path, capsys):
    """Mirrored as well, where it does so: mean of four views of a network that looks at one corner only."""
    dataset = write_dataset(tmp_path / "data", 2)
    plain = load_cascade(read_bundle(make_bundle(tmp_path / "plain", size=32)), "cpu", "fp32")
    samples = samples_of(
        tuple(build_store(find_cases(dataset), plain.bundle.info.preprocessing, tmp_path / "store")),
        plain.bundle.info.preprocessing,
    )
    network = Corner()
    seen = {}
    for flips in (False, True):
        look = partial(ensemble_probabilities, [network], flips=flips)
        seen[flips] = measure_case(samples, look, lambda images: torch.zeros(len(images), 2, 32, 32), plain.device)[0.5]
    assert set(np.round(seen[False].probability, 3)) != set(np.round(seen[True].probability, 3))
    images, _ = samples.batch(np.arange(len(samples)))
    corners = [network(as_input(images, plain.device).flip(axes)).softmax(1)[:, 1] for axes in ((), (2,), (3,), (2, 3))]
    assert np.allclose(seen[True].probability, torch.stack(corners).mean(0))
    main([str(tmp_path / "plain"), str(dataset)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| probability | 0.05 |") and lines[2].startswith("| slice, mask threshold 0.5 |")
    assert lines[-1].startswith("The best pair is slice ")


class Corner(torch.nn.Module):
    def forward(self, images):
        return torch.stack([torch.zeros(len(images)), 4 * images[:, 0, :12, :12].mean((1, 2)) - 1], dim=1)


def test_a_training_asks_its_networks_as_the_task_s_model_will(tmp_path, monkeypatch):
    asked = []

    def measure(samples, classify, segment, device):
        asked.append((classify.keywords["flips"], segment.keywords["flips"]))
        return measure_case(samples, classify, segment, device)

    monkeypatch.setattr("GTVAutoSegLib.training.results.bundles.measure_case", measure)
    data = write_dataset(tmp_path / "data", 4)
    task = write_task(tmp_path / "task.json", segmenter={"network": "sanet", "flips": True})
    preset = write_preset(tmp_path / "preset.json", epochs=1)
    arguments = [task, data, tmp_path / "run", "--preset", preset, "--fold", "0", "--device", "cpu"]
    assert command(["train", *map(str, arguments)]) == 0
    assert set(asked) == {(False, True)}


def test_networks_that_vote_win_by_half_whatever_was_chosen_for_one_of_them():
    ways = {stage: SimpleNamespace(combine=way) for stage, way in (("classifier", "vote"), ("segmenter", "mean"))}
    assert _unvoted(SimpleNamespace(**ways), Thresholds(0.2, 0.3)) == Thresholds(0.5, 0.3)
    ways["classifier"], ways["segmenter"] = ways["segmenter"], ways["classifier"]
    assert _unvoted(SimpleNamespace(**ways), Thresholds(0.2, 0.3)) == Thresholds(0.2, 0.5)
