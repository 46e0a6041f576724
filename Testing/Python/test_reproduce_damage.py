"""What a reproduction says when one of its files is damaged, or memory runs out while it plans."""

from types import SimpleNamespace

import pytest

from GTVAutoSegLib.errors import InputError, OutOfMemoryError
from GTVAutoSegLib.reproduce.split import keep_split
from GTVAutoSegLib.reproduce.volume_timing import measure_volume
from GTVAutoSegLib.training.distributed import make_fabric
from GTVAutoSegLib.volumetric import VolumeSettings


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
