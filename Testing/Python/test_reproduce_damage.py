"""What a reproduction says when one of its files is damaged, or memory runs out while it plans."""

import json
from types import SimpleNamespace

import pytest
from reproductions import prepared, request_of, write_inputs

from GTVAutoSegLib.errors import InputError, OutOfMemoryError
from GTVAutoSegLib.reproduce.parts import make_part
from GTVAutoSegLib.reproduce.run import prepare
from GTVAutoSegLib.reproduce.split import keep_split
from GTVAutoSegLib.reproduce.systems import HCF
from GTVAutoSegLib.reproduce.timing import Speed, measure_speeds, network_of
from GTVAutoSegLib.reproduce.training import is_done, read_figures
from GTVAutoSegLib.reproduce.volume_timing import measure_volume
from GTVAutoSegLib.training.distributed import make_fabric
from GTVAutoSegLib.volumetric import VolumeSettings


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_inputs(tmp_path_factory.mktemp("data"))


@pytest.fixture
def timed(data, tmp_path, monkeypatch):
    """A setup, one of its trainings, and how often a network was timed."""
    asked = []

    def measure(part, setup, fabric):
        asked.append(part)
        return Speed(1.0, 2, 0.5)

    monkeypatch.setattr("GTVAutoSegLib.reproduce.timing._measure", measure)
    setup = prepared(data, tmp_path / "run", folds=1)
    return setup, make_part(setup, HCF.classifier, setup.folds[0]), asked


def test_damaged_timings_are_measured_anew(timed):
    setup, part, asked = timed
    expected = {network_of(part.recipe): Speed(1.0, 2, 0.5)}
    file = setup.folder / "timings.json"
    assert measure_speeds([part], setup) == measure_speeds([part], setup) == expected
    assert len(asked) == 1
    key = next(iter(json.loads(file.read_text())))
    for number, text in enumerate(('{"classi', "[]", json.dumps({key: 3}), json.dumps({key: {"step": None}}))):
        file.write_text(text)
        assert measure_speeds([part], setup) == expected
        assert len(asked) == number + 2
    assert measure_speeds([part], setup) == expected
    assert len(asked) == 5


def test_a_timing_of_another_processor_is_not_used(timed, monkeypatch):
    setup, part, asked = timed
    measure_speeds([part], setup)
    monkeypatch.setattr("GTVAutoSegLib.reproduce.timing.processor", lambda: "a slower one")
    measure_speeds([part], setup)
    assert len(asked) == 2


def test_a_training_with_damaged_figures_is_not_finished(data, tmp_path):
    setup = prepared(data, tmp_path / "run", folds=1)
    part = make_part(setup, HCF.classifier, setup.folds[0])
    part.folder.mkdir(parents=True)
    for text in ('{"parame', "[1]", '{"parameters": 3}'):
        (part.folder / "figures.json").write_text(text)
        assert read_figures(part) is None
        assert not is_done(part)


def test_damaged_epochs_of_a_budget_are_named_and_not_chosen_anew(data, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "epochs.json").write_text("{")
    with pytest.raises(InputError, match=r"epochs.json is damaged; delete it .* or give --epochs"):
        prepare(request_of(data, folder, folds=1, budget_hours=1.0), lambda text: None)


def test_a_damaged_split_is_named(tmp_path):
    (tmp_path / "split.json").write_text('{"folds": ')
    with pytest.raises(InputError, match=r"split.json is damaged"):
        keep_split(tmp_path, [], [], 0)


def test_memory_that_runs_out_while_a_3d_network_is_timed_is_one_sentence(monkeypatch):
    def broken(*_: object) -> None:
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr("GTVAutoSegLib.reproduce.volume_timing._timed", broken)
    settings = VolumeSettings(patch=(16, 32, 32), width=4)
    setup = SimpleNamespace(volume_settings=lambda recipe, fold: settings)
    part = SimpleNamespace(recipe=SimpleNamespace(network="vnet3d"), fold=None)
    with pytest.raises(OutOfMemoryError, match="memory ran out on .*--no-3d"):
        measure_volume(part, setup, make_fabric("cpu"))
