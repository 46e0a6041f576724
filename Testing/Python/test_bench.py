"""The benchmark: its phantom, its fitted networks, its table, its guard, and other systems' patches."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from torch import nn

from GTVAutoSegLib import load_model
from GTVAutoSegLib.cascade.int8.layers import missing_support
from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.errors import InputError, ModelError, RunError
from GTVAutoSegLib.images.volume import Volume
from GTVAutoSegLib.model.bundle import read_bundle
from GTVAutoSegLib.study.bench.fitted_bundle import write_fitted_bundle
from GTVAutoSegLib.study.bench.guard.check import (
    INTEGERS,
    LARGE,
    NARROW,
    SMALL,
    compare,
    ratios,
    read_table,
    write_table,
)
from GTVAutoSegLib.study.bench.opponents import child as opponent_child
from GTVAutoSegLib.study.bench.phantom import make_phantom
from GTVAutoSegLib.study.bench.process import Child
from GTVAutoSegLib.study.bench.run import CHILD, Bench
from GTVAutoSegLib.study.bench.scaling.growth import Line, Point, Scaling, ScalingSettings, fit_line, scaling_text
from GTVAutoSegLib.study.bench.scaling.plot import plot
from GTVAutoSegLib.study.bench.scaling.roofline import stage_operations
from GTVAutoSegLib.study.bench.settings import BenchSettings, Row, Variant
from GTVAutoSegLib.study.bench.table import STEPS, bench_text, guard_table

TINY = {"width": 4, "size": 64, "threads": 1, "precision": "fp32", "side": 96, "slices": 12, "positive": 3}


def refused(capsys, *arguments):
    """The one line with which wrong usage ends."""
    try:
        code = main(["bench", *map(str, arguments)])
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    assert code == 2 and captured.out == "" and len(captured.err.splitlines()) == 1
    return captured.err


@pytest.mark.parametrize(("slices", "positive"), [(12, 3), (5, 0), (4, 4)])
def test_the_phantom_shows_tumour_on_as_many_slices_as_asked(slices, positive):
    phantom = make_phantom(slices, positive, 96)
    assert phantom.hu.shape == (slices, 96, 96) and phantom.hu.dtype == np.int16
    assert phantom.positive.sum() == positive
    assert np.array_equal(phantom.hu, make_phantom(slices, positive, 96).hu)
    if positive:
        assert phantom.hu[phantom.tumour].mean() > 140


@pytest.mark.parametrize(("width", "size", "side", "shrink"), [(4, 64, 96, 1), (8, 96, 128, 1), (8, 96, 128, 2)])
def test_the_fitted_classifier_picks_the_positive_slices_and_no_other(tmp_path, width, size, side, shrink):
    write_fitted_bundle(tmp_path / "fitted", width, size, side, shrink)
    phantom = make_phantom(30, 7, side)
    for precision in ("fp32",) if missing_support() else ("fp32", "int8"):
        cascade = load_model(tmp_path / "fitted", device="cpu", precision=precision)
        result = cascade.segment(Volume(phantom.hu, phantom.spacing))
        assert np.array_equal(result.picked, phantom.positive), precision
        assert result.mask.any() and result.warnings == ()


def test_a_run_prints_the_whole_table_and_writes_it(capsys, tmp_path):
    files = [tmp_path / "bench.json", tmp_path / "bench.md"]
    options = {**TINY, "classifier-shrink": 2, "rounds": 1, "cold": 1}
    code = main(
        ["bench", *(f"--{name}={value}" for name, value in options.items())] + [f"--output={file}" for file in files]
    )
    text = capsys.readouterr().out
    assert code == 0 and files[1].read_text() in text
    cells = dict(line.strip("| ").split(" | ", 1) for line in text.splitlines() if line.startswith("| "))
    shown = {name.strip(): value.strip() for name, value in cells.items()}
    assert all(shown.values()) and shown["slices picked"] == "3 of 12" and shown["the positive ones"] == "yes"
    assert float(shown["cold start"]) > float(shown["warm"]) > 0
    assert "cores" in text and "GFLOP/s" in text
    row = json.loads(files[0].read_text())["rows"][0]
    steps = {"read", "preprocess", "classifying", "segmenting", "back-projection", "write", "total"}
    assert steps <= row["seconds"].keys() and all(row["seconds"][step] >= 0 for step in steps)
    assert row["cold_s"] > row["seconds"]["total"] and row["as_expected"] is True
    assert re.search(r"\| classifier shrink +\| 2 ", text)
    assert row["over_floor"].keys() == {"classifying", "segmenting"} and row["cold_memory_mb"] > 100


def test_the_table_of_many_settings_fits_a_terminal():
    variants = [Variant("fitted", width, 512, 1, "cuda:0", "fp32", 16) for width in (64, 32, 16, 8, 4, 2, 1, 3)]
    seconds = dict.fromkeys(STEPS, 1.5)
    rows = [
        Row("phantom", one, 100, 18, True, 12.345, 2345.0, seconds, 1234.0, {}, {"nnunet": 100.0}) for one in variants
    ]
    machine = {"processor": "some", "cores": 2, "system": "Linux", "devices": {"cpu": "CPU"}, "python": "3.11"}
    machine |= {"torch": "2", "allocator": "glibc", "load": 0.1}
    bench = Bench(machine, BenchSettings(against=("nnunet",)), {"cpu": 100.0}, tuple(rows), ())
    lines = [line for line in bench_text(bench).splitlines() if line.startswith("|")]
    assert max(map(len, lines)) <= 120
    shown = [cell.strip() for line in lines if line.startswith("| width ") for cell in line.strip("| ").split("|")[1:]]
    assert shown == ["64", "32", "16", "8", "4", "2", "1", "3"]


def test_the_floor_of_a_classifier_at_half_resolution_is_that_of_fewer_operations(tmp_path):
    operations = []
    for shrink in (1, 2):
        write_fitted_bundle(tmp_path / f"at-{shrink}", 4, 64, 64, shrink)
        operations.append(stage_operations(read_bundle(tmp_path / f"at-{shrink}").info))
    assert operations[1]["classifying"] == pytest.approx(operations[0]["classifying"] / 4, rel=0.01)
    assert operations[1]["segmenting"] == operations[0]["segmenting"]


def test_only_some_patches_of_another_system_are_computed_and_all_are_blended(monkeypatch):
    monkeypatch.setitem(
        opponent_child.SYSTEMS, "tiny", (lambda: nn.Conv3d(1, opponent_child.CLASSES, 1), opponent_child.segresnet)
    )
    opponent_child.load("tiny", [96, 144, 96], patches=1)
    some = opponent_child.predict()
    assert (some["patches"], some["timed"]) == (2, 1) and some["seconds"] > some["patch_s"] > 0
    opponent_child.load("tiny", [96, 144, 96], patches=0)
    assert opponent_child.predict()["timed"] == 2


def test_what_a_measuring_process_refuses_is_raised_here_and_its_end_is_said():
    with Child(CHILD, 1) as child:
        with pytest.raises(ModelError, match="model 'nowhere' does not exist"):
            child.ask("describe_model", model="nowhere")
        with pytest.raises(RunError, match="ended with code 1 while it was asked for 'dance'"):
            child.ask("dance")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--slices", "3", "--positive", "4"), "expected no more positive slices"),
        (("--width", "zero"), "'zero' is not a whole number from 1 upwards"),
        (("--patches", "some"), "'some' is not a whole number"),
        (("--output", "table.csv"), "expected a name that ends in one of: .json, .md"),
        (("--output", "/nowhere/table.md"), "does not exist, so create it first"),
        (("--ct", "a.nii.gz", "--against", "nnunet"), "so leave one out"),
        (("scaling", "x.png", "--slices", "50"), "expected two different numbers"),
        (("check", "/nowhere.json"), "give the committed table"),
    ],
)
def test_wrong_usage_is_one_sentence(capsys, arguments, sentence):
    assert sentence in refused(capsys, *arguments)


def some_ratios(slower: float = 1.0) -> dict[str, float]:
    costs = {"preprocess": 0.01, "classifier": 0.1 * slower, "segmenter": 0.4, "operation": 1e-11}
    fewer = {**costs, "classifier": 0.05, "segmenter": 0.2}
    return ratios(
        {LARGE: costs, NARROW: fewer, SMALL: fewer, INTEGERS: fewer}, {"classifying": 5e9, "segmenting": 2e10}
    )


def test_the_guard_lets_noise_pass_and_names_what_became_slower(tmp_path):
    write_table(tmp_path / "table.json", some_ratios(), {"cores": 2})
    committed = read_table(tmp_path / "table.json")
    assert not any(one.lost for one in compare(committed, some_ratios(slower=1.2)))
    comparisons = compare(committed, some_ratios(slower=1.3))
    assert [one.name for one in comparisons if one.lost] == ["classifier, time over floor"]
    assert guard_table(comparisons).count("SLOWER") == 1 and "+30 %" in guard_table(comparisons)


def test_a_table_that_does_not_fit_the_code_is_refused(tmp_path):
    path = tmp_path / "table.json"
    for content in ("no json", "[]", '{"ratios": {}}', '{"ratios": {"a": "b"}}', '{"ratios": {"a": 0}}'):
        path.write_text(content)
        with pytest.raises(InputError, match="bench check --write"):
            read_table(path)
    with pytest.raises(InputError, match="the table lacks ratios"):
        compare({"another": 1.0}, some_ratios())


def test_the_line_over_the_slices_finds_what_every_ct_costs():
    line = fit_line([50, 100, 1000], [0.2 + 0.01 * slices for slices in (50, 100, 1000)])
    assert (line.constant, line.slope) == pytest.approx((0.2, 0.01))


def test_growth_is_told_and_drawn():
    points = (Point(50, 512, 0.7, 500.0), Point(100, 512, 1.2, 550.0))
    scaling = Scaling(
        {"processor": "some", "threads": 2, "load": 0.1}, ScalingSettings(), points, points, Line(0.2, 0.01), None
    )
    assert "0.20 s for a CT and 10.00 ms for a slice" in scaling_text(scaling)
    assert plot(scaling).startswith(b"\x89PNG")
