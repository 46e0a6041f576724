"""``python -m GTVAutoSegLib.study.ladder LADDER.json DATA OUT``: make the rungs of a ladder, one after another.

Every rung is trained with every seed on every data set of the folder DATA and compared with the last rung that was
kept. It pays, and is kept, if the cascade gains on every data set and the interval over the cases of all is above zero.
What is done is not done again, so that the same command goes on where it was stopped. Prints the table of all rungs
made so far, and writes it to OUT/ladder.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ...system.files import write_text
from .plan import Rung, read_ladder
from .runs import Workplace, climb, gtvautoseg
from .table import Step, pays, table


def main(arguments: Sequence[str] | None = None) -> None:
    """Make what is not made, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m GTVAutoSegLib.study.ladder", description=__doc__)
    parser.add_argument("ladder", metavar="LADDER.json", type=Path)
    parser.add_argument("data", metavar="DATA", type=Path, help="folder of the data sets")
    parser.add_argument("output", metavar="OUT", type=Path)
    parser.add_argument("--until", metavar="RUNG", help="the last rung to make (all)")
    parser.add_argument(
        "--compare", metavar="RUNG", nargs=2, help="only compare two rungs that are made: one, and one below it"
    )
    parser.add_argument("--encoder-weights", metavar="FILE", type=Path, help="see gtvautoseg train")
    given = parser.parse_args(arguments)
    ladder = read_ladder(given.ladder)
    last = ladder.rungs[-1] if given.until is None else ladder.named(given.until)
    place = Workplace(
        ladder, data=given.data, output=given.output, encoder_weights=given.encoder_weights, command=gtvautoseg
    )
    if given.compare is not None:
        rung, below = map(ladder.named, given.compare)
        print(table(place, [Step(rung, below, pays(place, rung, below))]))
        return
    steps: list[Step] = []
    kept: list[Rung] = []
    for rung in ladder.rungs[: ladder.rungs.index(last) + 1]:
        print(f"rung {rung.name}, over {kept[-1].name if kept else 'nothing'}", file=sys.stderr, flush=True)
        climb(place, rung, kept)
        steps.append(Step(rung, kept[-1] if kept else None, not kept or pays(place, rung, kept[-1])))
        if steps[-1].kept and not rung.ends:
            kept.append(rung)
        write_text(given.output / "ladder.md", table(place, steps) + "\n")
    print(table(place, steps))


if __name__ == "__main__":
    main()
