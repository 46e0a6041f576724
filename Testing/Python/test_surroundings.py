"""Where the library has to run: without a home, streams, room for temporary files, packages; in German; in cp1252."""

from __future__ import annotations

import errno
import locale
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from bundles import make_bundle
from dicom_samples import patient_array, write_series
from rtstruct_samples import square, write_rtstruct

from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.errors import DiskError, InputError
from GTVAutoSegLib.images.itk import quiet_itk, write_image
from GTVAutoSegLib.images.read import read_volume
from GTVAutoSegLib.images.volume import Volume
from GTVAutoSegLib.model.bundle import model_folders, user_folder
from GTVAutoSegLib.system.files import temporary_folder

ROOT = Path(__file__).parents[2]


def command(*arguments, **options) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("environment", {})}
    return subprocess.run([sys.executable, *map(str, arguments)], env=environment, check=False, timeout=300, **options)


def study(folder: Path, patient: str, roi: str) -> None:
    tags = {"SpecificCharacterSet": "ISO_IR 192", "PatientID": patient}
    files = write_series(folder / "ct", patient_array(), **tags)
    write_rtstruct(folder / "rs.dcm", files, {roi: [square(-5, -10, 5, 4, -24)]})


def test_letters_that_a_code_page_lacks_end_no_run(tmp_path):
    study(tmp_path / "in", "Zażółć-001", "GTV węzły 山田")
    arguments = ["import", tmp_path / "in", tmp_path / "out", "--roi", "gtv.*"]
    for number, encoding in enumerate(("cp1252", "ascii")):
        arguments[2] = tmp_path / f"out{number}"
        done = command(
            "-m", "GTVAutoSegLib", *arguments, environment={"PYTHONIOENCODING": encoding}, capture_output=True
        )
        assert done.returncode == 0, done.stderr
        assert rb"w\u0119z\u0142y \u5c71\u7530" in done.stdout
    done = command(
        "-m", "GTVAutoSegLib", "import", tmp_path / "in", "--list", environment={"PYTHONUTF8": "1"}, capture_output=True
    )
    assert "węzły 山田".encode() in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="closing streams for a child works otherwise there")
@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)])
def test_without_standard_streams_results_are_written_and_nothing_else_into_them(tmp_path, closed):
    write_series(tmp_path / "ct", patient_array((6, 24, 24)))
    model = make_bundle(tmp_path / "model")

    def close() -> None:
        for number in closed:
            os.close(number)

    outputs = ["--output", tmp_path / "gtv.nrrd", "--json", tmp_path / "gtv.json"]
    arguments = ["-m", "GTVAutoSegLib", "segment", tmp_path / "ct", "--model", model, *outputs]
    assert command(*arguments, preexec_fn=close).returncode == 0
    assert read_volume(tmp_path / "gtv.nrrd").array.shape == (6, 24, 24)
    assert (tmp_path / "gtv.json").read_text().startswith("{")
    assert command(*arguments[:-1], tmp_path / "nowhere" / "gtv.json", preexec_fn=close).returncode == 2


def test_a_user_without_a_home_uses_the_shipped_models_and_is_told_where_to_install(monkeypatch):
    for name in ("LOCALAPPDATA", "XDG_DATA_HOME", "GTVAUTOSEG_MODELS"):
        monkeypatch.delenv(name, raising=False)

    def nowhere():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nowhere)
    assert any((folder / "sts-gtv").is_dir() for folder in model_folders())
    assert main(["model", "list"]) == 0
    with pytest.raises(InputError, match="no home folder to keep models in"):
        user_folder()


def test_a_full_or_missing_folder_for_temporary_files_is_a_sentence(tmp_path, monkeypatch, capsys):
    words = r"folder for temporary files cannot be written to \(No space left on device\)"
    with pytest.raises(DiskError, match=words), temporary_folder():
        raise OSError(errno.ENOSPC, "No space left on device")

    def none(*_):
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", none)
    path = tmp_path / "ct.Nii"  # a spelling that ITK does not take: it is read from a copy
    volume = Volume(patient_array(), source="ct")
    write_image(volume.array, volume, tmp_path / "ct.nii")
    (tmp_path / "ct.nii").rename(path)
    content = bytearray(path.read_bytes())
    content[112:116] = np.float32(2).tobytes()  # a slope, for which ITK is needed
    path.write_bytes(content)
    assert main(["segment", str(path), "--model", str(make_bundle(tmp_path / "m")), "--output", "x.nrrd"]) == 4
    assert "No usable temporary directory found); free space there, or name another one" in capsys.readouterr().err


@pytest.mark.parametrize("package", ["numpy", "SimpleITK", "pydicom"])
def test_a_package_that_cannot_be_imported_is_named(tmp_path, package):
    (tmp_path / f"{package}.py").write_text("raise ImportError('its libraries are of another version')\n")
    write_series(tmp_path / "ct", patient_array())
    arguments = [
        "segment",
        tmp_path / "ct",
        "--model",
        make_bundle(tmp_path / "model"),
        "--output",
        tmp_path / "x.nrrd",
    ]
    search = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = command(
        "-m", "GTVAutoSegLib", *arguments, environment={"PYTHONPATH": search}, capture_output=True, text=True
    )
    assert done.returncode == 3
    assert "cannot be imported (its libraries are of another version)" in done.stderr
    assert done.stderr.count("\n") == 1 and "pip install --force-reinstall" in done.stderr


def test_within_a_program_that_writes_numbers_with_a_comma_itk_has_points_and_the_program_keeps_its_comma(monkeypatch):
    # Few machines have a German locale, so what the C library would do is played: the switch itself is what matters.
    spoken = ["de_DE.UTF-8"]

    def setlocale(category, name=None):
        assert category == locale.LC_NUMERIC
        if name is not None:
            spoken[0] = name
        return spoken[0]

    monkeypatch.setattr(locale, "setlocale", setlocale)
    monkeypatch.setattr(locale, "localeconv", lambda: {"decimal_point": "." if spoken[0] == "C" else ","})
    with quiet_itk():
        with quiet_itk():
            assert spoken == ["C"]
        assert spoken == ["C"]
    assert spoken == ["de_DE.UTF-8"]


def test_a_spacing_that_itk_reads_otherwise_than_it_is_written_is_never_taken(tmp_path, monkeypatch):
    from GTVAutoSegLib.images import read

    volume = Volume(patient_array(), spacing=(1.25, 1.5, 3.0))
    write_image(volume.array, volume, tmp_path / "ct.nrrd")
    monkeypatch.setattr(read.sitk.ImageFileReader, "GetSpacing", lambda _: (1.0, 1.0, 3.0))
    with pytest.raises(InputError, match="was read with another voxel spacing than it gives"):
        read_volume(tmp_path / "ct.nrrd")
