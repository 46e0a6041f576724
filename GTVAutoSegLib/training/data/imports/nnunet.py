"""nnU-Net's raw folders (versions 1 and 2) as data sets: cases, structures by name, and folds.

A data set is named by the folder, ``nnUNet_raw/Dataset500_X``; where that holds several structures, by the folder and
the structure's name or value, ``Dataset500_X/GTVp``. ``Dataset500_X/imagesTs`` are its test cases, where they have
labels. Format: nnU-Net's documentation, dataset_format.md and manual_data_splits.md.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....errors import InputError
from ....images.read import IMAGE_IO
from ....system.json_text import read_json

DESCRIPTION, SPLITS = "dataset.json", "splits_final.json"
TRAINING, TEST = "Tr", "Ts"
CHANNEL = "_0000"
CT = "ct"
PREPROCESSED = "nnUNet_preprocessed"  # an environment variable, and the usual name of the folder that it names
V1_ENDING = ".nii.gz"


@dataclass(frozen=True)
class Structure:
    """What is tumour in a label with several values.

    Attributes:
        name: of the structure.
        values: of its voxels.
        others: values that mean something else.
        ignored: value of voxels that were not annotated; None where there is none.
    """

    name: str
    values: tuple[int, ...]
    others: tuple[int, ...]
    ignored: int | None = None


@dataclass(frozen=True)
class RawFolder:
    """A data set in a raw folder.

    Attributes:
        root: holds ``dataset.json``.
        part: `TRAINING` or `TEST`.
        wanted: name or value of the structure; "" for the only one.
    """

    root: Path
    part: str = TRAINING
    wanted: str = ""


def raw_folder(path: Path) -> RawFolder | None:
    """The data set of a raw folder that a path names; None where it names none."""
    for root, words in ((path, ()), (path.parent, (path.name,)), (path.parent.parent, (path.parent.name, path.name))):
        if (root / DESCRIPTION).is_file() and (root / "imagesTr").is_dir():
            part = next((part for part in (TRAINING, TEST) if words[:1] == (f"images{part}",)), None)
            rest = words if part is None else words[1:]
            return RawFolder(root, part or TRAINING, *rest) if len(rest) < 2 else None
    return None


def structures(root: Path) -> list[Structure]:
    """The structures of a raw folder, in the order of ``dataset.json``.

    Raises:
        InputError: the file is damaged, or names no structure.
    """
    labels = read_description(root).get("labels")
    where = root / DESCRIPTION
    if not isinstance(labels, dict):
        raise InputError(f'{where} has no labels; expected such as {{"background": 0, "GTVp": 1}}')
    if all(str(key).isdecimal() and isinstance(name, str) for key, name in labels.items()):  # version 1
        labels = {name: int(key) for key, name in labels.items()}
    values = {name: _values(where, name, value) for name, value in labels.items()}
    ignored = values.pop("ignore", (None,))[0]
    known = tuple(sorted({one for several in values.values() for one in several} | {0}))
    found = [
        Structure(name, own, tuple(one for one in known if one not in own), ignored)
        for name, own in values.items()
        if own != (0,)
    ]
    if not found:
        raise InputError(f"{where} names no structure beside the background; expected at least one in labels")
    return found


def structure_of(raw: RawFolder) -> Structure:
    """The structure that a data set asks for.

    Raises:
        InputError: there is none of that name or value, or there are several and none was asked for.
    """
    known = structures(raw.root)
    if not raw.wanted and len(known) == 1:
        return known[0]
    chosen = [one for one in known if one.name == raw.wanted]
    chosen = chosen or [one for one in known if raw.wanted.isdecimal() and one.values == (int(raw.wanted),)]
    if len(chosen) == 1:
        return chosen[0]
    names = ", ".join(f"{one.name} ({', '.join(map(str, one.values))})" for one in known)
    asked = f"has no structure '{raw.wanted}'" if raw.wanted else f"holds {len(known)} structures"
    raise InputError(f"{raw.root} {asked}; give one of: {names}, with --label or behind the folder's name")


def raw_cases(raw: RawFolder) -> dict[str, tuple[Path, Path]]:
    """Image and label of each case, by its name.

    Raises:
        InputError: the images have several channels or are no CTs, or an image or a label is missing.
    """
    description = read_description(raw.root)
    _check_channel(raw.root, description)
    images, labels = (raw.root / f"{kind}{raw.part}" for kind in ("images", "labels"))
    for folder in (images, labels):
        if not folder.is_dir():
            raise InputError(f"{folder} does not exist; expected images and labels in a raw folder of nnU-Net")
    if raw.part == TRAINING and isinstance(description.get("dataset"), dict):
        found = _listed_cases(raw.root, description["dataset"])
    else:
        found = _found_cases(images, labels, _ending(raw.root, description))
    if not found:
        raise InputError(f"{images} holds no image; expected <case>{CHANNEL}{_ending(raw.root, description)}")
    return found


def raw_splits(raw: RawFolder) -> tuple[Path, list[tuple[tuple[str, ...], tuple[str, ...]]]] | None:
    """The folds a raw folder was or will be trained with, each as names that teach and that validate, and their file.

    The file lies in the folder itself, or in the preprocessed folder of the same name.

    Raises:
        InputError: the file is damaged.
    """
    if raw.part == TEST:
        return None
    name = raw.root.resolve().name
    places = [raw.root, raw.root.resolve().parent.parent / PREPROCESSED / name]
    if os.environ.get(PREPROCESSED):
        places.insert(1, Path(os.environ[PREPROCESSED]) / name)
    path = next((place / SPLITS for place in places if os.path.lexists(place / SPLITS)), None)
    if path is None:
        return None
    try:
        folds = [tuple(tuple(map(str, fold[side])) for side in ("train", "val")) for fold in read_json(path)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f'{path} is not a list of folds ({error}); expected [{{"train": [...], "val": [...]}}, ...]'
        ) from error
    return path, [(taught, judged) for taught, judged in folds]


def read_description(root: Path) -> dict[str, Any]:
    """What ``dataset.json`` says; raises InputError where it cannot be read, or describes nothing."""
    path = root / DESCRIPTION
    expected = 'expected what the data set is, as JSON: {"description": "...", "licence": "...", "labels": {...}}'
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); {expected}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} is no JSON object; {expected}")
    return content


def _values(where: Path, name: str, value: Any) -> tuple[int, ...]:
    """Of a structure: one, or those of a region."""
    several = value if isinstance(value, list) else [value]
    if not several or not all(isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in several):
        raise InputError(f"{where} gives '{name}' the value {value!r}; expected a whole number, or a list of some")
    return tuple(sorted(set(several)))


def _check_channel(root: Path, description: dict[str, Any]) -> None:
    channels = description.get("channel_names", description.get("modality"))
    if not isinstance(channels, dict) or len(channels) != 1 or str(next(iter(channels.values()))).lower() != CT:
        names = ", ".join(map(str, channels.values())) if isinstance(channels, dict) else "none"
        raise InputError(f"{root / DESCRIPTION} names the channels {names}; expected one, CT")


def _ending(root: Path, description: dict[str, Any]) -> str:
    ending = description.get("file_ending", V1_ENDING)
    if ending not in IMAGE_IO:
        raise InputError(f"{root / DESCRIPTION} has the file_ending {ending!r}; expected one of: {', '.join(IMAGE_IO)}")
    return str(ending)


def _found_cases(images: Path, labels: Path, ending: str) -> dict[str, tuple[Path, Path]]:
    """By the names of the files; an image may end in the number of its channel."""
    by_name: dict[str, Path] = {}
    for path in sorted(images.iterdir()):
        if path.name.endswith(ending) and not path.name.startswith("."):
            name = path.name.removesuffix(ending).removesuffix(CHANNEL)
            if name in by_name:
                raise InputError(f"{by_name[name].name} and {path.name} in {images} are one case; remove one of them")
            by_name[name] = path
    labelled = {path.name.removesuffix(ending): path for path in labels.iterdir() if path.name.endswith(ending)}
    labelled = {name: path for name, path in labelled.items() if not name.startswith(".")}
    for name in sorted(by_name.keys() ^ labelled.keys()):
        has, lacks, where = ("an image", "label", labels) if name in by_name else ("a label", "image", images)
        raise InputError(f"the case {name} has {has} and no {lacks}; expected one in {where}, or neither")
    return {name: (path, labelled[name]) for name, path in by_name.items()}


def _listed_cases(root: Path, listed: dict[str, Any]) -> dict[str, tuple[Path, Path]]:
    """By ``dataset.json``, which may name files anywhere."""
    cases = {}
    for name, files in sorted(listed.items()):
        # It becomes a folder's name: of the prepared slices, and of results.
        if not name or name.startswith(".") or any(sign in name for sign in "/\\:"):
            raise InputError(f"{root / DESCRIPTION} lists the case '{name}'; expected names of files, so rename it")
        images = files.get("images") if isinstance(files, dict) else None
        label = files.get("label") if isinstance(files, dict) else None
        if not isinstance(images, list) or len(images) != 1 or not isinstance(label, str):
            raise InputError(
                f"{root / DESCRIPTION} lists the case {name} without one image and a label; expected "
                '{"images": ["..."], "label": "..."}'
            )
        cases[name] = root / str(images[0]), root / label
        for path in cases[name]:
            if not path.is_file():
                raise InputError(f"{path} of the case {name} does not exist; correct {root / DESCRIPTION}")
    return cases
