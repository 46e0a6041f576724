"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import errno

import pytest

from GTVAutoSegLib.errors import DiskError
from GTVAutoSegLib.system.files import restore_folder, whole_folder, write_text


def content(folder):
    return sorted(path.name for path in folder.iterdir())


def filled(target, name, **options):
    with whole_folder(target, "free space", **options) as part:
        (part / name).touch()


def test_a_folder_is_replaced_whole_and_leaves_nothing_beside_it(tmp_path):
    filled(tmp_path / "model", "old")
    filled(tmp_path / "model", "new")
    assert content(tmp_path) == ["model"] and content(tmp_path / "model") == ["new"]


def test_what_fails_leaves_what_was_there(tmp_path):
    filled(tmp_path / "model", "old")
    saying = pytest.raises(DiskError, match=r"model could not be written \(full\); free space")
    with saying, whole_folder(tmp_path / "model", "free space"):
        raise OSError(28, "full")
    assert content(tmp_path) == ["model"] and content(tmp_path / "model") == ["old"]


def test_a_folder_that_another_process_put_there_is_kept_where_asked(tmp_path):
    filled(tmp_path / "case", "theirs")
    filled(tmp_path / "case", "ours", keep=True)
    assert content(tmp_path / "case") == ["theirs"]


def test_a_folder_that_a_killed_process_had_taken_away_comes_back(tmp_path):
    part = tmp_path / ".model.0123abcd.part"
    (part / "replaced").mkdir(parents=True)
    (part / "replaced" / "old").touch()
    restore_folder(tmp_path / "model")
    assert content(tmp_path) == ["model"] and content(tmp_path / "model") == ["old"]


def test_what_the_disk_takes_only_in_its_cache_has_not_been_written(tmp_path, monkeypatch):
    write_text(tmp_path / "result.json", "old")
    filled(tmp_path / "model", "old")

    def refuse(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(DiskError, match=r"result.json could not be written \(Input/output error\)"):
        write_text(tmp_path / "result.json", "new")
    with pytest.raises(DiskError, match=r"model could not be written \(Input/output error\)"):
        filled(tmp_path / "model", "new")
    assert (tmp_path / "result.json").read_text() == "old"
    assert content(tmp_path) == ["model", "result.json"] and content(tmp_path / "model") == ["old"]


def test_a_file_system_that_cannot_flush_is_written_to_all_the_same(tmp_path, monkeypatch):
    def cannot(_: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr("os.fsync", cannot)
    write_text(tmp_path / "result.json", "new")
    assert (tmp_path / "result.json").read_text() == "new"
