"""What the command line says to mistakes in usage: which word was wrong, and what to give instead."""

from __future__ import annotations

import sys

import pytest
from batches import write_cts

from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.system.files import make_folder


def refused(capsys, *arguments):
    """The one line of a command that ends with code 2."""
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as ended:
        code = ended.code
    (line,) = capsys.readouterr().err.splitlines()
    assert code == 2, line
    return line


def test_a_mistyped_option_is_named_and_not_only_the_one_missing_because_of_it(capsys):
    line = refused(capsys, "segment", "ct.nrrd", "--model", "m", "--outptu", "o.nii.gz")
    assert line.startswith("gtvautoseg segment: unknown option --outptu, --output was meant perhaps; see ")
    line = refused(capsys, "segment", "ct.nrrd", "--model", "m", "--outptu=o.nii.gz")
    assert "unknown option --outptu, --output" in line
    assert "unknown option --zzz; see" in refused(capsys, "segment", "ct.nrrd", "--zzz")


def test_a_shortened_option_and_words_that_only_look_like_options_are_no_mistake(capsys, tmp_path):
    line = refused(capsys, "segment", tmp_path / "none.nrrd", "--mod", "sts-gtv", "--out", "o.nrrd")
    assert "none.nrrd does not exist" in line
    line = refused(capsys, "segment", "--model", "sts-gtv", "--output", "o.nrrd", "--", "--ct.nrrd")
    assert "--ct.nrrd does not exist" in line


def test_a_folder_with_an_image_file_instead_of_dicom_files_has_the_file_named(capsys, tmp_path):
    folder = tmp_path / "STS_035"
    write_cts(folder, 1)
    (folder / "ct00.nrrd").rename(folder / "scan.nrrd")
    (folder / "label.nrrd").write_bytes(b"")
    line = refused(capsys, "segment", folder, "--model", "sts-gtv", "--output", tmp_path / "o.nrrd")
    assert f"expected one DICOM series of a CT, or an image file, so give {folder / 'scan.nrrd'} itself" in line


def test_a_missing_dask_is_said_with_the_command_that_installs_it(capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    source = write_cts(tmp_path / "in", 1)
    line = refused(capsys, "batch", source, tmp_path / "out", "--model", "sts-gtv", "--workers", "2")
    assert line.endswith("not installed; run: pip install 'gtvautoseg[cohort]'")


def test_a_folder_that_is_not_writable_is_named_itself(unwritable):
    with pytest.raises(InputError, match=f"^the folder {unwritable} is not writable .*choose another one"):
        make_folder(unwritable)


def test_a_folder_whose_name_is_no_utf_8_is_refused_before_anything_is_computed(tmp_path):
    with pytest.raises(InputError, match="not UTF-8"):
        make_folder(tmp_path / "o\udcff")
    assert not list(tmp_path.iterdir())
