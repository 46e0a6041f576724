"""Other systems to compare with, each in an environment of its own that is set up once.

The environment sees the packages of the running one, its torch above all: both systems then compute with the same
build, and nothing of several GB is downloaded.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from ....errors import RunError

READY = "ready"


@dataclass(frozen=True)
class Opponent:
    """Another system.

    Attributes:
        title: for people.
        packages: what pip installs.
    """

    title: str
    packages: tuple[str, ...]


OPPONENTS = {
    "nnunet": Opponent("nnU-Net 2.8.1, 3d_fullres, one fold, no mirroring", ("nnunetv2==2.8.1",)),
    "segresnet": Opponent("MONAI 1.6.1, SegResNet, 16 filters, 96 x 96 x 96", ("monai==1.6.1",)),
}


def interpreter(name: str) -> Path:
    """The Python of a system's environment, which is made when it is not there yet.

    Raises:
        RunError: it could not be made.
    """
    torch = version("torch")
    folder = _cache() / f"bench-{name}-torch-{torch}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if (folder / READY).exists():
        return python
    print(f"setting up {name} in {folder}; this takes some minutes, once", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)  # what a killed set-up left
    _run([sys.executable, "-m", "venv", str(folder)], name)
    outer = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    site = next(path for path in folder.rglob("site-packages") if path.is_dir())
    (site / "outer.pth").write_text("\n".join(outer) + "\n", encoding="utf-8")
    with tempfile.TemporaryDirectory() as scratch:
        constraint = Path(scratch) / "constraints.txt"
        constraint.write_text(f"torch=={torch}\n", encoding="utf-8")
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--constraint"]
        _run([*pip, str(constraint), *OPPONENTS[name].packages], name)
    (folder / READY).touch()
    return python


def _cache() -> Path:
    base = os.environ.get("LOCALAPPDATA") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "gtvautoseg"


def _run(command: list[str], name: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise RunError(
            f"the environment for {name} could not be set up ({last}); check the connection to the package index, or "
            "leave --against out"
        )
