"""Installing PyTorch with a real pip into a Python of its own; only the packages are stand-ins, and the network."""

from __future__ import annotations

import json
import os
import sys
import types
import venv
import zipfile
from pathlib import Path

import numpy as np
import pip
import pytest
from slicer_samples import MODULE, process_lives, use_fake_worker


def add_wheel(folder, name, version, requires=()):
    """A package that consists of its version."""
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    files = {
        f"{name}/__init__.py": f"__version__ = '{version}'\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)


def add_package(site, name, version, missing=()):
    """The same package installed, with a file no other version has; `missing` says without what."""
    site.mkdir(exist_ok=True)
    add_wheel(site, name, version)
    wheel = site / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    wheel.unlink()
    (site / name / "of_this_version_only.py").touch()
    with (site / f"{name}-{version}.dist-info" / "RECORD").open("a") as record:
        record.write(f"{name}/of_this_version_only.py,,\n")
    for path in missing:
        (site / f"{name}-{version}.dist-info" / path).unlink()


def contents(site):
    """What is installed, without what Python compiled."""
    return {path.relative_to(site).as_posix() for path in site.rglob("*") if "__pycache__" not in path.parts}


@pytest.fixture
def wheels(tmp_path):
    """The only place pip finds packages in."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    add_wheel(folder, "torch", "2.13.0", ["sympy"])
    add_wheel(folder, "torchvision", "0.28.0", ["torch"])
    add_wheel(folder, "sympy", "1.14")
    add_wheel(folder, "safetensors", "0.8.0")
    add_wheel(folder, "numpy", "1.26.4")
    return folder


@pytest.fixture
def site(tmp_path, wheels, monkeypatch):
    """site-packages of a Python of its own, with pip and a light_the_torch that is pip; numpy is this process's."""
    venv.create(tmp_path / "python")
    (folder,) = (tmp_path / "python").glob("lib/python*/site-packages")
    installers = tmp_path / "installers"
    (installers / "light_the_torch").mkdir(parents=True)
    (installers / "pip").symlink_to(Path(pip.__file__).parent)
    (installers / "light_the_torch" / "__main__.py").write_text(
        "import sys\nfrom pip._internal.cli.main import main\nsys.exit(main())\n"
    )
    for variable in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("PYTHONPATH", str(installers))
    add_package(folder, "numpy", np.__version__)
    return folder


@pytest.fixture
def panel(load_module, slicer_runtime, site, tmp_path, monkeypatch):
    """The panel in a Slicer whose PythonSlicer is that Python; its extension asks for what it does on macOS."""
    logic = types.SimpleNamespace(
        _installLightTheTorch=lambda: None,
        _getPipInstallArguments=lambda: ["install", "torch>=2.1.2", "torchvision>=0.16.2", "numpy<2", "--no-color"],
    )
    monkeypatch.setitem(sys.modules, "PyTorchUtils", types.SimpleNamespace(PyTorchUtilsLogic=logic))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    widget = load_module(MODULE).widget
    from GTVAutoSegSlicer.run import python_slicer
    from GTVAutoSegSlicer.setup import torch_remains

    monkeypatch.setattr(torch_remains, "site_packages", lambda: site)
    monkeypatch.setattr(python_slicer, "python_slicer", lambda: str(tmp_path / "python" / "bin" / "python"))
    use_fake_worker(monkeypatch, "ball")
    monkeypatch.setenv("FAKE_PROBE", json.dumps({"event": "result", "torch": "2.13.0", "cuda": None, "devices": []}))
    return widget.panel


@pytest.fixture
def install_again(panel, until):
    """Install again, and wait for the end; whether it went well."""

    def install():
        panel.setup.answer = None
        panel.setup.reinstall()
        until(lambda: panel.setup._steps is None, timeout=30)
        return panel.setup.answer is not None

    return install


@pytest.mark.parametrize("missing", [(), ("RECORD",), ("METADATA",), ("RECORD", "METADATA", "WHEEL")])
@pytest.mark.parametrize("version", ["2.12.0", "2.13.0"])
def test_a_pytorch_is_replaced_however_damaged_it_is(panel, site, install_again, version, missing):
    add_package(site, "torch", version, missing)
    if len(missing) == 3:
        (site / f"torch-{version}.dist-info").rmdir()
    assert install_again(), panel.log.text
    names = {path.name for path in site.iterdir()} - {"__pycache__"}
    others = {"sympy", "sympy-1.14.dist-info", "safetensors", "safetensors-0.8.0.dist-info"}
    assert names == {"torch", "torch-2.13.0.dist-info", "numpy", f"numpy-{np.__version__}.dist-info"} | others
    assert "2.13.0" in (site / "torch" / "__init__.py").read_text()
    assert [path.name for path in (site / "torch").glob("*.py")] == ["__init__.py"]


@pytest.mark.parametrize("missing", [(), ("RECORD",)])
def test_after_a_failed_download_everything_is_as_it_was(panel, site, wheels, install_again, missing):
    add_package(site, "torch", "2.12.0", missing)
    before = contents(site)
    (wheels / "torch-2.13.0-py3-none-any.whl").unlink()
    assert not install_again()
    assert panel.ui.failureTitle.text == "PyTorch was not installed"
    assert "No matching distribution found for torch" in panel.ui.failureMessage.text
    assert contents(site) == before


def test_a_new_pytorch_stays_though_what_it_needs_could_not_be_had(panel, site, wheels, install_again):
    add_package(site, "torch", "2.12.0", ["RECORD"])
    (wheels / "sympy-1.14-py3-none-any.whl").unlink()
    assert not install_again()
    assert "2.13.0" in (site / "torch" / "__init__.py").read_text()
    assert {path.name for path in site.glob("*torch*")} == {"torch", "torch-2.13.0.dist-info"}
    assert list(site.glob("*aside*")) == []


def test_a_pytorch_that_needs_another_numpy_than_slicers_is_one_sentence(panel, site, wheels, install_again):
    add_wheel(wheels, "torch", "2.13.0", ["numpy<2"])
    assert not install_again()
    assert "goes with the numpy, scipy, SimpleITK, pydicom Slicer came with" in panel.ui.failureMessage.text
    assert panel.ui.failureMessage.text.endswith("install the newest Slicer.")
    assert (site / f"numpy-{np.__version__}.dist-info").is_dir()


def test_when_slicer_quits_amid_an_installation_the_damaged_pytorch_is_put_back(panel, site, until, tmp_path):
    add_package(site, "torch", "2.12.0", ["RECORD"])
    before = contents(site)
    # A pip that is killed while it copies.
    (tmp_path / "installers" / "light_the_torch" / "__main__.py").write_text(
        f"import pathlib, time\nfolder = pathlib.Path({str(site)!r}) / 'torch'\n"
        "folder.mkdir()\n(folder / 'half.py').touch()\ntime.sleep(60)\n"
    )
    panel.setup.reinstall()
    pid = panel.setup._steps._job.child.process.pid
    until(lambda: (site / "torch" / "half.py").exists())
    panel.cleanup()
    assert not process_lives(pid)
    (aside,) = site.glob("gtvautoseg-aside-*")  # the copied half, which the next installation removes
    assert {path for path in contents(site) if not path.startswith(aside.name)} == before
    assert contents(aside) == {"torch", "torch/half.py"}


def test_what_an_installation_that_ended_with_slicer_left_is_removed_by_the_next(panel, site, install_again):
    add_package(site, "torch", "2.12.0", ["RECORD"])
    add_package(site / "gtvautoseg-aside-0123abcd", "torch", "2.11.0")
    assert install_again(), panel.log.text
    assert list(site.glob("*aside*")) == []


def test_a_damaged_pytorch_that_is_in_use_stays_where_it_is(panel, site, install_again, monkeypatch):
    add_package(site, "torch", "2.12.0", ["RECORD"])
    before = contents(site)
    rename = Path.rename

    def refuse(path, target):
        # What Windows answers; Linux lets files go that are in use.
        if path.name.endswith(".dist-info"):
            raise PermissionError(13, "The process cannot access the file")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    assert not install_again()
    text = panel.ui.failureMessage.text
    assert text.startswith("The damaged PyTorch in ") and text.endswith("restart Slicer, then install again.")
    assert contents(site) == before


def test_slicers_own_packages_and_torchvision_are_left_alone(panel, site, until):
    panel.ui.installTorchButton.click()
    until(lambda: panel.setup.answer is not None, timeout=30)
    assert {path.name for path in site.glob("*.dist-info")} == {
        "torch-2.13.0.dist-info",
        "sympy-1.14.dist-info",
        "safetensors-0.8.0.dist-info",
        f"numpy-{np.__version__}.dist-info",
    }


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["install", "torch", "torchvision"], ["torch"]),
        (["install", "torch!=2.13.*", "torchaudio", "--cpuonly"], ["torch!=2.13.*", "--cpuonly"]),
        (["install", "torchvision"], []),
    ],
)
def test_of_what_the_extension_asks_for_only_torch_and_options_are_kept(panel, given, kept):
    from GTVAutoSegSlicer.setup.installation import kept_arguments

    assert kept_arguments(given) == kept
