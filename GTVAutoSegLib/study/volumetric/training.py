"""Training a 3D system: its stages one after another through the project's loop, on patches instead of slices."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import Tensor

from ...errors import InputError
from ...images.read import read_volume
from ...images.volume import Volume, check_ct
from ...system.files import make_folder, write_text
from ...system.names import some_of
from ...training.checkpoint import STATE, is_finished
from ...training.data.dataset import Case, read_label
from ...training.data.slices import mapped
from ...training.engine.engine import Engine
from ...training.loop import Job, fit
from ...training.progress.monitor import LiveMonitor, Monitor, never
from ...training.stages import Stage, pixel_target
from .grid import Shape, axial_spacing, body_box, box_around, resize, shape_at, windowed
from .patches import PatchSet, PreparedVolume, TileSet, keep_volume
from .systems import (
    COARSE,
    DESCRIPTION,
    FEWEST_PATCHES,
    SYSTEMS,
    Description,
    VolumeSettings,
    build,
    check_monai,
    check_name,
    read_description,
    with_spacing,
)

PREPARED = "volumes"
# The fine network learns in a larger box than it will look at: the coarse network's will not lie just right.
LEARNING_MARGIN = 2.0
FIGURE = "pooled Dice of all patches"


def train_system(
    name: str,
    training: Sequence[Case],
    validation: Sequence[Case],
    settings: VolumeSettings,
    folder: Path,
    engine: Engine,
    *,
    resume: bool = False,
    title: str = "",
    cancelled: Callable[[], bool] = never,
) -> None:
    """Train all stages of a system, or continue to.

    Args:
        name: key of `SYSTEMS`.
        training: cases to learn from.
        validation: cases to choose the best epoch on.
        settings: what to train with.
        folder: of this system alone; gets ``system.json`` and, for each stage, what `training.loop.fit` writes.
        engine: device, precision and processes.
        resume: continue a training that was begun; one that is finished stays as it is.
        title: begins the line that shows progress; the system's name by default.
        cancelled: asked after every step; the training stops when it returns True.

    Raises:
        InputError: a case cannot be used, MONAI is missing, no case shows tumour, or the folder holds another training.
        RunError: training failed.
        Cancelled: ``cancelled`` returned True.
    """
    check_name(name)
    check_monai()
    for side, cases in (("training", training), ("validation", validation)):
        if not cases:
            raise InputError(f"{name} was given no {side} cases; expected at least one")
    with engine.rank_zero_first():
        settings = _begin(
            name, training=training, validation=validation, settings=settings, folder=folder, resume=resume
        )
    for stage in SYSTEMS[name]:
        if not is_finished(folder / stage):
            monitor = Monitor()
            if engine.is_global_zero:
                board = folder / stage / "tensorboard"
                epochs = settings.training.epochs
                monitor = LiveMonitor(
                    f"{title or name}, {stage}", figure=FIGURE, epochs=epochs, folder=board, cancelled=cancelled
                )
            with closing(monitor):
                _train_stage(
                    name,
                    stage=stage,
                    cases=(training, validation),
                    settings=settings,
                    folder=folder,
                    engine=engine,
                    monitor=monitor,
                )
    if engine.is_global_zero:
        shutil.rmtree(folder / PREPARED, ignore_errors=True)


def _begin(
    name: str,
    training: Sequence[Case],
    validation: Sequence[Case],
    settings: VolumeSettings,
    folder: Path,
    resume: bool,
) -> VolumeSettings:
    """Mark the folder as this training's, or check that it is; returns the settings with their spacing."""
    make_folder(folder)
    begun = [stage for stage in SYSTEMS[name] if (folder / stage / STATE).exists()]
    if begun and not resume:
        raise InputError(f"{folder} holds a training that was begun or finished; continue it, or give another folder")
    spacings = [axial_spacing(read_volume(case.image)) for case in training]
    x, y, z = (round(median(axis), 4) for axis in zip(*spacings))
    settings = with_spacing(settings, (x, y, z))
    ours = Description(name, settings, tuple(case.name for case in training), tuple(case.name for case in validation))
    if begun and read_description(folder) != ours:
        raise InputError(f"{folder} holds another training of a 3D system; give another folder, or the same settings")
    write_text(folder / DESCRIPTION, json.dumps(asdict(ours), indent=2) + "\n")
    return settings


def _train_stage(
    name: str,
    stage: str,
    cases: tuple[Sequence[Case], Sequence[Case]],
    settings: VolumeSettings,
    folder: Path,
    engine: Engine,
    monitor: Monitor,
) -> None:
    stores = [folder / PREPARED / stage / side for side in ("training", "validation")]
    mapped.cache_clear()  # the same files may be written anew
    if engine.is_global_zero:
        _prepare(cases, stage=stage, name=name, settings=settings, stores=stores)
    engine.barrier()
    training, validation = ([PreparedVolume(store / case.name) for case in side] for store, side in zip(stores, cases))
    patch = settings.coarse if stage == COARSE else settings.patch
    job = Job(
        stage=Stage(stage, FIGURE, pixel_target),
        build=lambda: build(name, settings),
        training=PatchSet(training, patch, settings.patches or _covering(training, patch)),
        validation=TileSet(validation, patch),
        settings=settings.training,
        theta=settings.theta,
        seed=settings.seed,
    )
    (folder / stage).mkdir(exist_ok=True)
    fit(job, folder / stage, engine, monitor)


def _covering(volumes: Sequence[PreparedVolume], patch: Shape) -> int:
    """Patches of each case that together have about as many voxels as all cases."""
    return max(FEWEST_PATCHES, math.ceil(len(TileSet(volumes, patch)) / len(volumes)))


def _prepare(
    cases: tuple[Sequence[Case], Sequence[Case]],
    stage: str,
    name: str,
    settings: VolumeSettings,
    stores: Sequence[Path],
) -> None:
    """Bring every case to the stage's grid."""
    for side, store in zip(cases, stores):
        tumour = False
        for case in side:
            volume = read_volume(case.image)
            check_ct(volume)
            label = volume.axial.of(read_label(case, volume))
            tumour = tumour or bool(label.any())
            keep_volume(store / case.name, *_on_grid(volume, label=label, stage=stage, name=name, settings=settings))
        if not tumour:
            raise InputError(
                f"the {store.name} cases of {name} ({some_of(case.name for case in side)}) show no tumour; "
                "expected at least one that does, so check their labels"
            )


def _on_grid(
    volume: Volume, label: np.ndarray, stage: str, name: str, settings: VolumeSettings
) -> tuple[Tensor, Tensor]:
    """Image float and label bool (D, H, W): whole for a coarse stage, around the tumour for the fine one that follows.

    Those of a system without a coarse stage, and those without tumour, are of the body.
    """
    image = windowed(volume, settings.window)
    truth = torch.from_numpy(np.ascontiguousarray(label, np.float32))
    if stage == COARSE:
        # However small: what the coarse network does not find is lost.
        return resize(image, settings.coarse), resize(truth, settings.coarse) > 0
    assert settings.spacing_mm is not None  # noqa: S101 - set when the training began
    shape = shape_at(volume, settings.spacing_mm)
    margin = tuple(LEARNING_MARGIN * settings.margin_mm / step for step in settings.spacing_mm[::-1])
    box = box_around(label, shape, margin) if COARSE in SYSTEMS[name] else None
    image = resize(image, shape)
    box = box or body_box(image)
    return image[box], (resize(truth, shape) >= 0.5)[box]
