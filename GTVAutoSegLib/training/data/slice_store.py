"""The slice store: every CT preprocessed once, kept on disk as memory-mapped slices, one folder a case.

A folder's name ends with a key made of the content of image and label, the settings and the preprocessing code, so
it is never out of date: what changes gets a new folder. A folder is written under a temporary name and renamed when it
is whole; a run that is killed leaves nothing that looks finished. The store may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch

from ...cascade import preprocess
from ...errors import DiskError, InputError
from ...images.itk import reading_image
from ...images.read import read_volume
from ...images.volume import Volume, check_ct
from ...system.files import make_folder, sha256_of, whole_folder, write_text
from ...system.json_text import read_json
from ...system.names import counted
from ...system.progress import Progress
from ...system.settings import PreprocessSettings
from .dataset import Case, read_label
from .imports.voxels import rounded_hu, voxels_sha256
from .slices import StoredCase, open_case

CHUNK = 4  # slices converted at a time: small arrays are reused by the allocator, large ones are mapped anew each time
MOST_WORKERS = 4
STALE_SECONDS = 3600
LAYOUT = 2  # of a case's folder


def build_store(
    cases: Sequence[Case],
    settings: PreprocessSettings,
    folder: Path,
    progress: Progress | None = None,
) -> list[StoredCase]:
    """Bring the store up to date and open it; cases that are there already are not read again.

    Args:
        cases: of the data set, which is only read.
        settings: window, box rule, size and channels.
        folder: the store; made when it does not exist.
        progress: called with "preparing slices", cases done and cases in all.

    Returns:
        The stored cases, in the order of ``cases``.

    Raises:
        InputError: an image or label cannot be used, two cases hold the same CT, or the folder is not writable.
        DiskError: the disk is full, or has too little room.
    """
    make_folder(folder)
    _remove_leftovers(folder)
    hashes = _file_hashes(cases, folder)
    _check_duplicates(cases, hashes)
    contents = [_content(case, hashes[case.image], hashes[case.label]) for case in cases]
    keys = [_hash(content, json.dumps(asdict(settings)), _code_version()) for content in contents]
    targets = [folder / f"{case.name}-{key}" for case, key in zip(cases, keys)]
    missing = [job for job in zip(cases, targets, contents) if not job[1].is_dir()]
    _check_room([case for case, _, _ in missing], settings, folder)
    done = len(cases) - len(missing)
    pool = ThreadPoolExecutor(min(MOST_WORKERS, os.cpu_count() or 1))
    try:
        builds = [pool.submit(_build, case, settings, target, content) for case, target, content in missing]
        for number, build in enumerate(builds, done + 1):
            build.result()
            if progress is not None:
                progress("preparing slices", number, len(cases))
    finally:
        pool.shutdown(cancel_futures=True)
    return [open_case(target) for target in targets]


def content_of(case: Case) -> str:
    """Hash of a case's image and label, as in `StoredCase.content`."""
    return _content(case, sha256_of(case.image), sha256_of(case.label))


def _content(case: Case, image: str, label: str) -> str:
    """Of the hashes of both files; the same files with another structure are another case."""
    return _hash(image, label, *([] if case.structure is None else [str(case.structure.values)]))


def _build(case: Case, settings: PreprocessSettings, target: Path, content: str) -> None:
    volume = read_volume(case.image)
    check_ct(volume)
    label = volume.axial.of(read_label(case, volume))
    advice = "free space on the disk or choose another folder for the slice store"
    with whole_folder(target, advice, keep=True) as part:
        if settings.crops is None:
            _write_slices(volume.axial.of(volume.array), label, settings, part)
        else:
            _write_volume(volume.axial.of(volume.array), label, part)
        (part / "case.json").write_text(
            json.dumps(_describe(case, volume=volume, label=label, settings=settings, content=content))
        )


def _write_volume(hu: np.ndarray, label: np.ndarray, part: Path) -> None:
    """For crops, which are cut when a batch is made: the CT and its label as they are, in axial order."""
    for name, values in (("hu.npy", rounded_hu(hu)), ("label.npy", label != 0)):
        np.save(part / name, np.ascontiguousarray(values))


def _write_slices(hu: np.ndarray, label: np.ndarray, settings: PreprocessSettings, part: Path) -> None:
    # Plain writes and not a writable map: on a full disk those fail with an error, a map kills the process.
    count, size = len(hu), settings.size
    shapes = {"images.npy": (count, settings.channels, size, size), "masks.npy": (count, -(-(size**2) // 8))}
    with (part / "images.npy").open("wb") as images, (part / "masks.npy").open("wb") as masks:
        for file, shape in zip((images, masks), shapes.values()):
            np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for start in range(0, count, CHUNK):
            rows = range(start, min(start + CHUNK, count))
            boxes = [preprocess.body_box(hu[row], settings) for row in rows]
            scaled = preprocess.network_input(hu, rows, boxes, settings)
            images.write(scaled.mul_(255).round_().to(torch.uint8).numpy().data)
            for row, box in zip(rows, boxes):
                masks.write(np.packbits(preprocess.stretch_mask(label[row], box, size)).data)


def _describe(
    case: Case, volume: Volume, label: np.ndarray, settings: PreprocessSettings, content: str
) -> dict[str, object]:
    order = volume.axial.axes[::-1]
    spacing = [float(volume.spacing[::-1][axis]) for axis in order]
    return {
        "name": case.name,
        "content": content,
        "voxels": voxels_sha256(volume),
        "size": settings.size,
        "abnormal": label.any(axis=(1, 2)).tolist(),
        "spacing_mm": spacing,
        # As the applicability check samples a CT.
        "hu_percentiles": [float(value) for value in np.percentile(volume.array[::4, ::4, ::4], (1, 99))],
        "extent_mm": [step * volume.array.shape[axis] for step, axis in zip(spacing, order)],
    }


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


@lru_cache(maxsize=1)
def _code_version() -> str:
    """What a stored slice depends on beside data and settings: preprocessing, and how it is stored."""
    return f"{LAYOUT} {sha256_of(Path(preprocess.__file__))}"


def _file_hashes(cases: Sequence[Case], folder: Path) -> dict[Path, str]:
    """sha256 of every image and label; files whose size and time of change are known are not read again."""
    notes = folder / "hashes.json"
    try:
        known = read_json(notes)
    except (OSError, ValueError):  # not there yet, or damaged: it only saves time
        known = None
    if not isinstance(known, dict) or not all(isinstance(one, list) and len(one) == 3 for one in known.values()):
        known = {}
    hashes, changed = {}, False
    for path in (path for case in cases for path in (case.image, case.label)):
        status = path.stat()
        entry = known.get(str(path.resolve()))
        if entry is None or entry[:2] != [status.st_size, status.st_mtime_ns]:
            entry = [status.st_size, status.st_mtime_ns, sha256_of(path)]
            known[str(path.resolve())] = entry
            changed = True
        hashes[path] = entry[2]
    if changed:
        write_text(notes, json.dumps(known))
    return hashes


def _check_duplicates(cases: Sequence[Case], hashes: dict[Path, str]) -> None:
    seen: dict[str, Case] = {}
    names: set[str] = set()
    for case in cases:
        twin = seen.setdefault(hashes[case.image], case)
        if twin is not case:
            raise InputError(
                f"the cases {twin.name} and {case.name} hold the same CT; expected every patient once, or training and "
                "validation share patients: remove one of them"
            )
        if case.name in names:
            raise InputError(
                f"two cases are named {case.name}; expected a name of its own for every patient: rename one"
            )
        names.add(case.name)


def _check_room(missing: Sequence[Case], settings: PreprocessSettings, folder: Path) -> None:
    needed = sum(stored_bytes(_axial_shape(case.image), settings) for case in missing)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DiskError(
            f"the slice store {folder} needs {needed / 1e9:.1f} GB for {counted(len(missing), 'case')} and the disk "
            f"has {free / 1e9:.1f} GB free; free space or choose another folder"
        )


def stored_bytes(shape: tuple[int, ...], settings: PreprocessSettings) -> int:
    """Bytes that a CT of a shape (z, y, x), in axial order, takes in the store."""
    if settings.crops is not None:  # the CT itself, int16, and its label
        return 3 * math.prod(shape)
    return shape[0] * (settings.channels * settings.size**2 + -(-(settings.size**2) // 8))


def _axial_shape(path: Path) -> tuple[int, ...]:
    """Shape (z, y, x) in axial order by the file's header; zeros when it has none, which reading the file explains."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        with reading_image():
            reader.ReadImageInformation()
    except RuntimeError:
        return (0, 0, 0)
    if reader.GetDimension() != 3:
        return (0, 0, 0)
    axes = Volume(np.empty((0, 0, 0)), direction=reader.GetDirection()).axial.axes
    size = reader.GetSize()[::-1]
    return tuple(int(size[axis]) for axis in axes)


def _remove_leftovers(folder: Path) -> None:
    """Remove what killed runs left; younger ones may belong to a run that is at it."""
    for part in folder.glob(".*.part"):
        with suppress(FileNotFoundError):  # another run renamed it
            if time.time() - part.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(part, ignore_errors=True)
