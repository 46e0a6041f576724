"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import DiskError, InputError
from .leftovers import FILE_PREFIX, FOLDER_SUFFIX, REPLACED, discard_part, owner, sweep, target_of

WRITE_ADVICE = "free space on the disk or choose another folder, and run again"


@contextmanager
def whole_file(path: Path, suffix: str | None = None) -> Iterator[Path]:
    """Yield a path beside ``path`` to write to; it takes its place when the block ends well, else it is removed.

    Args:
        path: where the file shall be; one already there is replaced.
        suffix: how the temporary name ends, for writers that pick the format by it; by default as ``path``.

    Raises:
        DiskError: the block or the renaming raised OSError, as on a full disk.
    """
    sweep(path.parent)
    temporary = path.with_name(f"{FILE_PREFIX}{owner()}{path.suffix if suffix is None else suffix}")
    with written(path):
        try:
            yield temporary
            _to_disk(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _to_disk(path: Path) -> None:
    """Have a file's bytes written before it takes its name: a power cut could else leave the name without the bytes."""
    with path.open("r+b" if os.name == "nt" else "rb") as file:
        try:
            os.fsync(file.fileno())
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # not every file system can
                raise


@contextmanager
def written(what: Path, advice: str = WRITE_ADVICE) -> Iterator[None]:
    """Turn what the system refuses while something is written into a DiskError that names it and ends with advice."""
    try:
        yield
    except OSError as error:
        raise DiskError(f"{what} could not be written ({error.strerror or error}); {advice}") from error


def write_json(path: Path, value: Any) -> None:
    """Write JSON that a person can read, whole or not at all; raises DiskError."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, whole or not at all; raises DiskError."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def whole_folder(target: Path, advice: str, *, keep: bool = False) -> Iterator[Path]:
    """Yield a folder beside ``target`` to fill; it takes its place when the block ends well, else it is removed.

    A kill at any moment leaves either what was there or what is new; `restore_folder` mends what it left half done.

    Args:
        target: where the folder shall be; one already there is replaced.
        advice: what to do when the disk fails, ends the message.
        keep: leave what another process has put there meanwhile, and remove what was made here.

    Raises:
        DiskError: the block or the renaming raised OSError, as on a full disk.
    """
    sweep(target.parent)
    part = target.with_name(f".{target.name}.{owner()}{FOLDER_SUFFIX}")
    with written(target, advice):
        try:
            part.mkdir()
            yield part
            for file in part.rglob("*"):
                if file.is_file():
                    _to_disk(file)
            if target.exists() and not keep:
                target.rename(part / REPLACED)
            try:
                part.rename(target)
            except OSError:
                if not (keep and target.is_dir()):
                    raise
            shutil.rmtree(target / REPLACED, ignore_errors=True)
        finally:
            discard_part(part, target)


def restore_folder(target: Path) -> None:
    """Put back what a killed process was about to replace by `whole_folder`, and remove what it was writing."""
    for part in target.parent.glob(f".{glob.escape(target.name)}.*.part"):
        discard_part(part, target)
    shutil.rmtree(target / REPLACED, ignore_errors=True)


def restore_folders(parent: Path) -> None:
    """Put back every folder that a killed process was about to replace; for who holds the lock of the folder above.

    What another process is writing is left alone: it has not yet taken the place of anything.
    """
    for part in parent.glob(f".*{FOLDER_SUFFIX}"):
        if (part / REPLACED).exists() and not target_of(part).exists():
            discard_part(part, target_of(part))


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, which is never in memory whole; raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def make_folder(folder: Path) -> None:
    """Make a folder if need be, and check that files can be written there.

    Raises:
        InputError: it cannot be made or is not writable.
    """
    _check_name(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made ({error.strerror}); choose another folder") from None
    _check_takes_files(folder)


def _check_takes_files(folder: Path, begin: str = "") -> None:
    """Raise InputError, with a sentence that begins so, for a folder that files cannot be written to."""
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise InputError(
            f"{begin}the folder {folder} is not writable ({error.strerror}), so choose another one"
        ) from None


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder for as long as the block runs.

    Raises:
        DiskError: the system's folder for temporary files is full, or may not be written to.
    """
    name = ""
    try:
        with tempfile.TemporaryDirectory() as name:
            yield Path(name)
    except OSError as error:
        if name and error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskError(
            f"the folder for temporary files cannot be written to ({error.strerror or error}); free space there, or "
            "name another one in the environment variable TMPDIR"
        ) from error


def is_utf8(path: Path) -> bool:
    """Whether ITK can take a path: over other bytes, as disks of an earlier age have them, it ends the process."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_name(path: Path) -> None:
    if not is_utf8(path):
        raise InputError(f"{path} has bytes in its name that are not UTF-8; choose another name or folder")


def check_writable(path: Path) -> None:
    """Check before a run that a file can be written.

    Raises:
        InputError: it is a folder or is read-only, or its folder does not exist or is not writable.
    """
    _check_name(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; expected the name of a file to write")
    if path.exists() and not path.stat().st_mode & 0o222:
        raise InputError(
            f"{path} is there already and read-only; expected a file that may be replaced, or another name"
        )
    if not path.parent.is_dir():
        raise InputError(f"{path} cannot be written: the folder {path.parent} does not exist, so create it first")
    _check_takes_files(path.parent, f"{path} cannot be written: ")


def unreadable(path: Path, error: OSError) -> str:
    """The sentence for a file or folder that the system does not let us read: no permission, a share that went away."""
    return (
        f"{path} cannot be read ({error.strerror or error}), so nothing is known of what it holds; check the "
        "permissions and the connection, and run again"
    )


def files_below(
    root: Path, leave_out: Callable[[Path], bool] = lambda _: False
) -> tuple[list[Path], list[tuple[Path, OSError]]]:
    """All files below a folder, those in linked folders too; each real folder is looked at once, so no link is a loop.

    Args:
        root: where to look; the paths begin with it, also where a link leads elsewhere.
        leave_out: whether a file, or a folder with all that is in it, is not looked at.

    Returns:
        The files, and the files and folders that cannot be looked at, with the error.
    """
    paths: list[Path] = []
    problems: list[tuple[Path, OSError]] = []
    seen: set[Path] = set()
    # Folders that are reached without a link come first, so that a link to one of them changes no path.
    starts = [root]
    for start in starts:
        for name, folders, files in os.walk(
            start, onerror=lambda error: problems.append((Path(error.filename), error))
        ):
            here = Path(name)
            if here.resolve() in seen:
                folders.clear()
                continue
            seen.add(here.resolve())
            inside = [one for one in sorted(folders) if not leave_out(here / one)]
            starts += [here / one for one in inside if (here / one).is_symlink()]
            folders[:] = [one for one in inside if not (here / one).is_symlink()]
            for path in (here / file for file in sorted(files) if not leave_out(here / file)):
                try:
                    if stat.S_ISREG(path.stat().st_mode):  # pipes and devices are no files
                        paths.append(path)
                except OSError as error:
                    problems.append((path, error))
    return paths, problems
