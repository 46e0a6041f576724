"""Models that another one of the same id has replaced: kept aside, one folder a version, never deleted.

They lie in ``.versions/<id>/<version>-<digest>`` of a folder for models, where no model is found by its id.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from ..errors import ModelError
from ..system.files import make_folder, sha256_of, whole_folder
from .bundle import DESCRIPTION, iterate_bundles, read_bundle

KEPT = ".versions"
DIGITS = 8  # of a digest, in a name
ADVICE = "free space on the disk, or choose a folder you may write to"


def keep_aside(path: Path) -> Path | None:
    """Copy a bundle's folder to the kept ones; whole or not at all.

    Args:
        path: of the bundle, in a folder for models; it may be damaged.

    Returns:
        The copy; None where there is nothing to keep.

    Raises:
        DiskError: it could not be written.
    """
    if not (path / DESCRIPTION).is_file():
        return None
    copy = path.parent / KEPT / path.name / _label(path)
    make_folder(copy.parent)
    if not copy.exists():
        with whole_folder(copy, ADVICE, keep=True) as part:
            for file in path.iterdir():
                if file.is_file() and not file.name.startswith("."):
                    shutil.copy2(file, part / file.name)
    return copy


def kept_versions(model_id: str, folder: Path) -> list[Path]:
    """Bundles of an id that are kept aside in a folder for models, the last one replaced first."""
    paths = iterate_bundles([folder / KEPT / model_id])
    return sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True)


def _label(path: Path) -> str:
    digest = sha256_of(path / DESCRIPTION)[:DIGITS]
    try:
        version = read_bundle(path).info.version
    except ModelError:
        version = "damaged"
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '_', version).strip('.') or '_'}-{digest}"
