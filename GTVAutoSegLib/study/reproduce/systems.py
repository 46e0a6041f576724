"""Which systems each table compares, and the recipes their networks are trained by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...model.stages import CascadeStage
from ...training.data.sampling import RATIOS
from . import paper

CLASSIFIER, SEGMENTER, VOLUME = CascadeStage.CLASSIFIER, CascadeStage.SEGMENTER, "volume"


@dataclass(frozen=True)
class Recipe:
    """A network and how it is taught, whatever the data and the fold.

    Attributes:
        stage: "classifier", "segmenter", or "volume" for a 3D system.
        network: registry name.
        arguments: further arguments of the network, as (name, value).
        theta: sampling ratio; "" is the task's.
        loss: "" is the preset's.
    """

    stage: str
    network: str
    arguments: tuple[tuple[str, Any], ...] = ()
    theta: str = ""
    loss: str = ""

    @property
    def label(self) -> str:
        """For people and folders: "sanet, alignment=False"."""
        parts = [self.network, *(f"{name}={value}" for name, value in self.arguments)]
        parts += [f"theta {self.theta}"] * bool(self.theta) + [f"{self.loss} loss"] * bool(self.loss)
        return ", ".join(parts)


@dataclass(frozen=True)
class System:
    """What one row, or one cell of a grid, compares.

    Attributes:
        name: of the row.
        segmenter: outlines slices, or whole volumes.
        classifier: stands in front of it and drops slices; None when it sees all of them.
        structure: as the paper's table 2 calls it.
        paper: published figures of each site, see `paper`; empty when there are none.
    """

    name: str
    segmenter: Recipe
    classifier: Recipe | None = None
    structure: str = "end-to-end"
    paper: tuple[tuple[paper.Figure, ...], ...] = ()

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """What has to be trained for it."""
        return (self.segmenter,) if self.classifier is None else (self.classifier, self.segmenter)


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        name: "table2" to "table6".
        title: for people.
        systems: rows, or the cells of a grid row by row.
    """

    name: str
    title: str
    systems: tuple[System, ...]


RESNET = Recipe(CLASSIFIER, "resnet18")
SANET = Recipe(SEGMENTER, "sanet")
# Every other system is compared with this one.
HCF = System("HCF", segmenter=SANET, classifier=RESNET, structure="HCF", paper=paper.TABLE2["HCF"][1:])

NETWORKS = {
    "U-Net": "unet",
    "U-Net++": "unetpp",
    "DeepLabV3+": "deeplabv3plus",
    "AttU-Net": "att-unet",
    "ResU-Net": "res-unet",
    "SFNet": "sfnet",
    "TransU-Net": "transunet",
    "UTNet": "utnet",
    "SANet": "sanet",
}
VOLUMES = {
    "3D V-Net": ("vnet3d", "end-to-end"),
    "3D nnU-Net": ("nnunet3d", "cascade"),
    "3D VB-Net": ("vbnet3d", "cascade"),
}
LOSS_NAMES = {"Dice": "dice", "CE": "ce", "Focal": "focal", "Tversky": "tversky", "Dice + CE": "dice-ce", "CR": "cr"}
NO_SAM, NO_PPM = ("alignment", False), ("pyramid", False)


def table2() -> Table:
    """All systems."""
    systems = [_plain(name) for name in NETWORKS]
    systems += [
        System(
            name, segmenter=Recipe(VOLUME, network), classifier=None, structure=structure, paper=paper.TABLE2[name][1:]
        )
        for name, (network, structure) in VOLUMES.items()
    ]
    mtl = System(
        "SANet + MTL",
        segmenter=Recipe(SEGMENTER, "sanet-mtl"),
        classifier=None,
        structure="MTL",
        paper=paper.TABLE2["SANet + MTL"][1:],
    )
    return Table("table2", "Comparison of systems", (*systems, mtl, HCF))


def table3() -> Table:
    """Sampling ratios of classifier and SANet; without a classifier in the last row.

    A classifier taught by theta 0 sees slices with tumour only and would pick every slice, as does none at all.
    """
    systems = []
    for ratio in (*paper.TABLE3[paper.SITES[0]], None):
        classifier = None if ratio is None else Recipe(CLASSIFIER, RESNET.network, theta=ratio)
        for column, theta in enumerate(paper.SEGMENTER_RATIOS):
            segmenter = Recipe(SEGMENTER, SANET.network, theta=theta)
            published = tuple(
                ((rows[ratio][1][column], float("nan")),) for rows in paper.TABLE3.values() if ratio is not None
            )
            systems.append(
                System(
                    f"{ratio or 'none'} + {theta}",
                    segmenter=segmenter,
                    classifier=classifier,
                    structure="HCF",
                    paper=published,
                )
            )
    assert {s.segmenter.theta for s in systems} <= set(RATIOS)  # noqa: S101 - the grid names no ratio that is not there
    return Table("table3", "Sampling ratios of the slice classifier and of SANet", tuple(systems))


def table4() -> Table:
    """Every 2D network without and with the classifier in front."""
    systems = []
    for name in NETWORKS:
        plain = _plain(name)
        systems += [
            plain,
            System(
                f"{name} + HCF", segmenter=plain.segmenter, classifier=RESNET, structure="HCF", paper=paper.TABLE4[name]
            ),
        ]
    return Table("table4", "Networks with the slice classifier in front", tuple(systems))


def table5() -> Table:
    """SANet's parts and the classifier, left out."""
    parts: dict[str, tuple[tuple[str, Any], ...]] = {
        "SAM and PPM": (NO_SAM, NO_PPM),
        "SAM": (NO_SAM,),
        "PPM": (NO_PPM,),
        "": (),
    }
    systems = []
    for name, arguments in parts.items():
        recipe = Recipe(SEGMENTER, SANET.network, arguments)
        without = ", ".join([*name.split(" and "), "HCF"]) if name else "HCF"
        alone = "w/o " + " and ".join(without.rsplit(", ", 1))
        systems.append(
            System(alone, segmenter=recipe, classifier=None, structure="end-to-end", paper=paper.TABLE5.get(alone, ()))
        )
        cascade = f"w/o {name}" if name else HCF.name
        systems.append(
            System(cascade, segmenter=recipe, classifier=RESNET, structure="HCF", paper=paper.TABLE5.get(cascade, ()))
        )
    return Table("table5", "Parts left out", tuple(systems))


def table6() -> Table:
    """Losses of SANet, the classifier in front."""
    systems = (
        System(
            name,
            segmenter=Recipe(SEGMENTER, SANET.network, loss=loss),
            classifier=RESNET,
            structure="HCF",
            paper=paper.TABLE6.get(name, ()),
        )
        for name, loss in LOSS_NAMES.items()
    )
    return Table("table6", "Losses of SANet", tuple(systems))


def _plain(name: str) -> System:
    return System(
        name,
        segmenter=Recipe(SEGMENTER, NETWORKS[name]),
        classifier=None,
        structure="end-to-end",
        paper=paper.TABLE2[name][1:],
    )


TABLES: dict[str, Callable[[], Table]] = {
    "table2": table2,
    "table3": table3,
    "table4": table4,
    "table5": table5,
    "table6": table6,
}
