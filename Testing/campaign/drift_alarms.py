"""How often `gtvautoseg drift` says that something changed: ``python -m Testing.campaign.drift_alarms --rounds 200``.

A year of weeks with four corrected cases each on one scanner, their added path lengths skewed as those of people are
(gamma distribution), and from the 31st week on longer by a factor. Counted are years in which a change is said, and
those in which any of Nelson's rules points at a week after the baseline.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Testing" / "Python"))

FACTORS = (1.0, 1.25, 1.5, 2.0)
SHIFT_AT = 30


def main() -> int:
    """Print a line for each factor."""
    from trails import write_trail, year

    from GTVAutoSegLib.report.drift.drift import CHANGED, Options, find_drift
    from GTVAutoSegLib.report.drift.reviews import gather

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200, help="years of each kind")
    parser.add_argument("--baseline-weeks", type=int, default=12)
    values = parser.parse_args()
    print("| added path length from week 31 on | a change is said | Nelson's rules point somewhere |\n|---|---|---|")
    import tempfile

    for factor in FACTORS:
        said = pointed = 0
        with tempfile.TemporaryDirectory() as folder:
            for seed in range(values.rounds):
                write_trail(Path(folder), year(shift_at=SHIFT_AT, factor=factor, seed=seed))
                found = find_drift(gather([Path(folder)]), Options(values.baseline_weeks))
                said += found.verdict == CHANGED
                pointed += any(phase.late_signals for chart in found.charts for phase in chart.phases)
        print(f"| x {factor:g} | {said} of {values.rounds} | {pointed} of {values.rounds} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
