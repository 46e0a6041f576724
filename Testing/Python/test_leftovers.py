"""What a killed process leaves is removed by the next one; what a living one writes is not."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from GTVAutoSegLib.system import leftovers
from GTVAutoSegLib.system.files import whole_file, whole_folder, write_text


@pytest.fixture(autouse=True)
def a_new_process():
    leftovers.sweep.cache_clear()
    yield
    leftovers.sweep.cache_clear()


def killed(code: str, folder) -> None:
    program = f"import os, sys; from pathlib import Path; folder = Path(sys.argv[1]); {code}"
    lines = "from GTVAutoSegLib.system.files import whole_file, whole_folder\n" + program
    subprocess.run([sys.executable, "-c", lines, str(folder)], check=False)


def test_the_file_of_a_killed_process_is_removed_by_the_next_write(tmp_path):
    code = "c = whole_file(folder / 'mask.nrrd'); c.__enter__().write_text('half'); os.kill(os.getpid(), 9)"
    killed(code, tmp_path)
    assert [path.name.startswith(".gtv-") for path in tmp_path.iterdir()] == [True]
    write_text(tmp_path / "other.txt", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["other.txt"]


def test_what_a_killed_process_was_replacing_is_put_back(tmp_path):
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "data.txt").write_text("old")
    code = (
        "c = whole_folder(folder / 'case', 'x'); part = c.__enter__(); "
        "(folder / 'case').rename(part / 'replaced'); os.kill(os.getpid(), 9)"
    )
    killed(code, tmp_path)
    assert not (tmp_path / "case").exists()
    with whole_folder(tmp_path / "other", "x") as part:
        (part / "data.txt").write_text("new")
    assert (tmp_path / "case" / "data.txt").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["case", "other"]


def test_what_a_living_process_writes_stays(tmp_path):
    with whole_file(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        leftovers.sweep.cache_clear()
        write_text(tmp_path / "b.txt", "x")
        assert temporary.exists()
    assert (tmp_path / "a.txt").read_text() == "half"


def test_another_machines_files_and_a_persons_own_stay(tmp_path):
    own = leftovers.owner()
    machine, process = own.split("-")[0], 2**22 + 1  # beyond Linux's largest process number
    strangers = [f".gtv-{'0' * 8}-{process}-{'1' * 8}.nrrd", ".gtv-notes.txt", f"{machine}-{process}-{'1' * 8}.part"]
    for name in strangers:
        (tmp_path / name).write_text("x")
    ours = tmp_path / f".gtv-{machine}-{process}-{'1' * 8}.nrrd"
    ours.write_text("x")
    write_text(tmp_path / "b.txt", "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*strangers, "b.txt"])
    assert str(os.getpid()) in own
