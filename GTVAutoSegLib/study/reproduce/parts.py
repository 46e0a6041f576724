"""What has to be trained: each recipe once a fold, however many tables and systems use it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from inspect import signature
from math import prod
from pathlib import Path

import numpy as np

from ...model.stages import CascadeStage
from ...training.data.dataset import Case
from ...training.data.folds import Fold
from ...training.data.sampling import balanced_indices
from ...training.data.slices import StoredCase
from ...training.data.tasks import StageTask, Task
from ...training.presets import Preset, TrainSettings
from ..volumetric import VolumeSettings
from ..volumetric.networks import VOLUME_NETWORKS
from .systems import CLASSIFIER, HCF, VOLUME, Recipe, System, Table

TRAININGS = "trainings"
PAPER_WIDTH = 64
SMALLEST_PATCH = 32


@dataclass(frozen=True)
class Setup:
    """What is the same for every training; goes to the processes that train.

    Attributes:
        task: with size and width as they are run.
        preset: with the epochs that are run.
        precision: key of `training.engine.engine.PRECISIONS`.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        threads: of PyTorch in each process that trains.
        folder: of the results.
        cases: where images and labels are, by name, for training and test.
        stored: the same cases in the slice store.
        test: names of the cases to test on.
        folds: that are run.
        fold_count: folds that the cases are divided into, run or not.
    """

    task: Task
    preset: Preset
    precision: str
    device: str
    threads: int
    folder: Path
    cases: dict[str, Case]
    stored: dict[str, StoredCase]
    test: tuple[str, ...]
    folds: tuple[Fold, ...]
    fold_count: int

    def settings(self, recipe: Recipe) -> TrainSettings:
        """Hyper-parameters of a recipe; a 3D system's are the segmenter's."""
        settings = self.preset.classifier if recipe.stage == CLASSIFIER else self.preset.segmenter
        return replace(settings, loss=recipe.loss or settings.loss)

    def volume_settings(self, recipe: Recipe, fold: Fold) -> VolumeSettings:
        """How a 3D system sees volumes and is trained: at 512 pixels and width 64 as it is by default.

        Patches and width shrink with those of the 2D networks. A batch has as many patches as theirs has slices, but
        no more voxels than it has by default.
        """
        side = max(SMALLEST_PATCH, self.task.preprocessing.size // 4 // 16 * 16)
        default = signature(VOLUME_NETWORKS[recipe.network]).parameters["width"].default
        patch, usual = (max(16, side // 4), side, side), VolumeSettings()
        settings = self.settings(recipe)
        most = usual.training.batch * prod(usual.patch) // prod(patch)
        return VolumeSettings(
            training=replace(settings, batch=max(2, min(settings.batch, most))),
            window=self.task.preprocessing.window,
            patch=patch,
            coarse=(max(16, side // 2), side, side),
            theta=self.task.segmenter.theta,
            width=max(4, default * self.task.width // PAPER_WIDTH),
            seed=self.seed(fold),
        )

    def task_of(self, recipe: Recipe) -> Task:
        """The task with the recipe's network as its stage.

        Raises:
            ValueError: there is no such network.
        """
        stage = StageTask(recipe.network, recipe.theta, dict(recipe.arguments))
        if recipe.stage == CLASSIFIER:
            return replace(self.task, classifier=stage)
        return replace(self.task, segmenter=stage)

    def seed(self, fold: Fold) -> int:
        """Of initialisation, sampling and augmentation."""
        return self.preset.seed + int(fold.name.rpartition("_")[2])

    def resolve(self, recipe: Recipe) -> Recipe:
        """The recipe with what it leaves to task and preset filled in, so that equal ones compare equal."""
        if recipe.stage == VOLUME:
            return replace(recipe, loss=recipe.loss or self.preset.segmenter.loss)
        theta = recipe.theta or CascadeStage(recipe.stage).of(self.task).theta
        return replace(recipe, theta=theta, loss=self.settings(recipe).loss)


@dataclass(frozen=True)
class Part:
    """One training.

    Attributes:
        recipe: resolved.
        fold: of the cases.
        folder: of its files; ends with a key made of everything that the trained network depends on.
    """

    recipe: Recipe
    fold: Fold
    folder: Path

    @property
    def title(self) -> str:
        """For people: "sanet, theta 1, cr loss, fold_0"."""
        return f"{self.recipe.label}, {self.fold.name}"


def make_part(setup: Setup, recipe: Recipe, fold: Fold) -> Part:
    """The training of a recipe on a fold; a sampling ratio that takes every slice there is, is ratio n."""
    recipe = setup.resolve(recipe)
    if recipe.theta:
        abnormal = np.concatenate([setup.stored[name].abnormal for name in fold.training])
        if len(balanced_indices(abnormal, recipe.theta, 0, 0)) == len(abnormal):
            recipe = replace(recipe, theta="n")
    content = {
        "recipe": asdict(recipe),
        "settings": asdict(setup.settings(recipe)),
        "preprocessing": asdict(setup.task.preprocessing),
        "width": setup.task.width,
        "precision": setup.precision,
        "seed": setup.seed(fold),
        "training": [setup.stored[name].content for name in fold.training],
        "validation": [setup.stored[name].content for name in fold.validation],
    }
    if recipe.stage == VOLUME:
        content["volume"] = asdict(setup.volume_settings(recipe, fold))
    key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
    label = "".join(c if c.isalnum() or c == "-" else "_" for c in recipe.label.replace(", ", "."))
    return Part(recipe, fold, setup.folder / TRAININGS / f"{label}-{fold.name}-{key}")


def shown_recipe(setup: Setup, part: Part) -> str:
    """A training's recipe for people: "theta 1 (= n)" where the task's own ratio takes every slice there is."""
    recipe = part.recipe
    if recipe.theta == "n":
        own = CascadeStage(recipe.stage).of(setup.task).theta
        if own != "n" and make_part(setup, replace(recipe, theta=own), part.fold).folder == part.folder:
            return replace(recipe, theta=f"{own} (= n)").label
    return recipe.label


def plan_parts(setup: Setup, tables: Iterable[Table]) -> list[Part]:
    """Every training that the tables need, once; those of HCF, which all are compared with, among them."""
    systems = [HCF, *(system for table in tables for system in table.systems)]
    recipes = dict.fromkeys(recipe for system in systems for recipe in system.recipes)
    parts = (make_part(setup, recipe, fold) for fold in setup.folds for recipe in recipes)
    return list({part.folder: part for part in parts}.values())


def parts_of(setup: Setup, system: System, fold: Fold) -> tuple[Part, ...]:
    """The trainings that a system consists of, the segmenter last."""
    return tuple(make_part(setup, recipe, fold) for recipe in system.recipes)
