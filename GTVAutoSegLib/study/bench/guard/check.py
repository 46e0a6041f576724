"""The guard against becoming slower: ratios of a short run beside those of a committed table.

Never absolute times: they belong to a machine and to its mood. A ratio divides two times that were measured by turns in
the same run.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ....errors import InputError
from ....system.files import write_text
from ....system.json_text import read_json
from ..process import Child
from ..run import CHILD

GUARD_CHILD = "GTVAutoSegLib.study.bench.guard.child"
LOSS = 0.25
SIDE = 512
ROUNDS = 4
# Width, side of the network input, precision.
LARGE, NARROW, SMALL = (64, 512, "fp32"), (32, 512, "fp32"), (64, 256, "fp32")
INTEGERS = (64, 512, "int8")

Costs = dict[str, float]


@dataclass(frozen=True)
class Comparison:
    """One ratio, lower is better.

    Attributes:
        name: of the ratio.
        was: committed.
        now: measured.
    """

    name: str
    was: float
    now: float

    @property
    def change(self) -> float:
        """Growth as a fraction: 0.1 is 10 % slower."""
        return self.now / self.was - 1

    @property
    def lost(self) -> bool:
        """Whether it grew by more than is let pass."""
        return self.change > LOSS


def measure_ratios() -> dict[str, float]:
    """Run the variants by turns on one thread each, and divide the smallest times of all rounds."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        helper = stack.enter_context(Child(CHILD, 1))
        operations: Costs = {}
        children = {}
        variants = [LARGE, NARROW, SMALL, *([INTEGERS] if helper.ask("facts")["int8"] else [])]
        for variant in variants:
            width, size, precision = variant
            model = str(folder / f"bench-{width}-{size}")
            if not Path(model).exists():
                helper.ask("make_bundle", folder=model, width=width, size=size, side=SIDE)
            if variant == LARGE:
                operations = helper.ask("describe_model", model=model)["operations"]
            children[variant] = stack.enter_context(Child(GUARD_CHILD, 1))
            children[variant].ask("load", model=model, precision=precision, side=SIDE)
        rounds = [{variant: child.ask("cost") for variant, child in children.items()} for _ in range(ROUNDS)]
    best = {
        variant: {step: min(costs[variant][step] for costs in rounds) for step in rounds[0][variant]}
        for variant in variants
    }
    return ratios(best, operations)


def ratios(costs: Mapping[tuple[int, int, str], Costs], operations: Costs) -> dict[str, float]:
    """The ratios that are watched; in all of them lower is better.

    Args:
        costs: seconds a slice by variant and step, and of one operation of the matrix product.
        operations: a slice takes in each stage of the large variant.
    """
    large, narrow, small = costs[LARGE], costs[NARROW], costs[SMALL]
    watched = {
        "classifier, time over floor": large["classifier"] / (operations["classifying"] * large["operation"]),
        "segmenter, time over floor": large["segmenter"] / (operations["segmenting"] * large["operation"]),
        "classifier, width 32 / 64": narrow["classifier"] / large["classifier"],
        "segmenter, width 32 / 64": narrow["segmenter"] / large["segmenter"],
        "classifier, 256 / 512": small["classifier"] / large["classifier"],
        "segmenter, 256 / 512": small["segmenter"] / large["segmenter"],
        "preprocessing / classifier": large["preprocess"] / large["classifier"],
    }
    for stage in ("classifier", "segmenter") if INTEGERS in costs else ():
        watched[f"{stage}, int8 / fp32"] = costs[INTEGERS][stage] / large[stage]
    return watched


def read_table(path: Path) -> dict[str, float]:
    """Committed ratios by name.

    Raises:
        InputError: the file is missing, is no JSON, or holds something else.
    """
    try:
        content = read_json(path)["ratios"]
        table = {str(name): float(value) for name, value in content.items()}
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); give the committed table of ratios") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is no table of ratios ({error!r}); write it with 'bench check --write'") from None
    if not table or min(table.values()) <= 0:
        raise InputError(f"{path} holds no ratios above 0; write it with 'bench check --write'")
    return table


def write_table(path: Path, measured: Mapping[str, float], machine: Mapping[str, object]) -> None:
    """Write the table that later runs are compared with; raises DiskError."""
    rounded = {name: round(value, 4) for name, value in measured.items()}
    write_text(path, json.dumps({"machine": dict(machine), "ratios": rounded}, indent=2) + "\n")


def compare(committed: Mapping[str, float], measured: Mapping[str, float]) -> list[Comparison]:
    """Pair the ratios; one that this machine cannot measure is left out.

    Raises:
        InputError: the table lacks one: it is older than the code.
    """
    missing = sorted(measured.keys() - committed.keys())
    if missing:
        raise InputError(f"the table lacks ratios ({'; '.join(missing)}); write it again with 'bench check --write'")
    return [Comparison(name, committed[name], measured[name]) for name in measured]
