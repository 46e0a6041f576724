"""What is left of a damaged PyTorch: pip can neither remove it nor install over it, so it is moved out of the way."""

from __future__ import annotations

import contextlib
import secrets
import sysconfig
from pathlib import Path

# No package can have this name, and pip takes nothing in it for one.
ASIDE = "gtvautoseg-aside-"


def site_packages() -> Path:
    """Where Slicer's Python keeps its packages."""
    return Path(sysconfig.get_path("platlib"))


def torch_remains(site: Path) -> list[Path]:
    """The folders of a PyTorch whose dist-info is missing or lacks a file; [] when it is whole or absent.

    Without the list of files pip ends with "uninstall-no-record-file"; without the rest it installs into the folder as
    if nothing were there.
    """
    infos = list(site.glob("torch-*.dist-info"))
    if infos and all((info / name).is_file() for info in infos for name in ("METADATA", "RECORD")):
        return []
    return [path for path in (site / "torch", *infos) if path.exists()]


def set_aside(site: Path) -> Path | None:
    """Move the remains into a folder beside them, all or none; return it, or None when there are none.

    Raises:
        OSError: a file of theirs is in use, or nothing may be written there.
    """
    remains = torch_remains(site)
    if not remains:
        return None
    aside = site / f"{ASIDE}{secrets.token_hex(4)}"
    aside.mkdir()
    try:
        for path in remains:
            path.rename(aside / path.name)
    except OSError:
        with contextlib.suppress(OSError):
            _empty(aside)
        raise
    return aside


def put_back(aside: Path) -> None:
    """Bring back what was set aside, unless it was removed or a whole PyTorch has taken its place.

    Raises:
        OSError: as `set_aside`.
    """
    site = aside.parent
    is_replaced = bool(list(site.glob("torch-*.dist-info"))) and not torch_remains(site)
    if aside.is_dir() and not is_replaced:
        set_aside(site)  # a pip that was killed has left its own, which must not be mixed with these
        _empty(aside)


def aside_folders(site: Path) -> list[Path]:
    """Every folder of remains, those of an installation that ended with Slicer too."""
    return sorted(site.glob(f"{ASIDE}*"))


def _empty(aside: Path) -> None:
    for path in aside.iterdir():
        path.rename(aside.parent / path.name)
    aside.rmdir()
