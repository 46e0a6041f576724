"""Memory over many runs of one process: ``python -m Testing.campaign.soak --rounds 60 --seed 0``.

A worker process, as Slicer keeps one, is asked for one segmentation after the other, good and bad requests mixed. Its
memory after the first tenth is compared with that at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Testing" / "Python"))

GROWTH_MB = 30
BAD = (b"", b"hello", b'{"id": 1}', b"[" * 5000, '{"id": "ü"}'.encode(), b'{"id": "x", "arguments": ["segment"]}')


def resident_mb(process: int) -> float:
    """Memory that a process holds, MB."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> int:
    """Print the memory, and 1 as exit code when it grew by more than `GROWTH_MB` or a request went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    values = parser.parse_args()
    from batches import write_cts
    from bundles import make_bundle

    chance = random.Random(values.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_cts(folder / "in", 3, shape=(40, 256, 256))
        bundle = make_bundle(folder / "model", bias=50.0)
        child = subprocess.Popen(
            [sys.executable, "-m", "GTVAutoSegLib.commands.worker", "serve"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        )
        assert child.stdin is not None and child.stdout is not None
        memory, wrong = [], 0
        for number in range(values.rounds):
            bad = chance.random() < 0.3
            ct = folder / "in" / f"ct{number % 3:02}.nrrd"
            good = ["segment", "--input", str(ct), "--output", str(folder / "m.nrrd"), "--model", str(bundle)]
            request = json.dumps({"id": str(number), "arguments": good}).encode()
            child.stdin.write((chance.choice(BAD) if bad else request) + b"\n")
            child.stdin.flush()
            while (event := json.loads(child.stdout.readline()))["event"] != "done":
                pass
            wrong += event["exit_code"] != (2 if bad else 0)
            memory.append(resident_mb(child.pid))
        child.stdin.close()
        child.wait(60)
    first, last = max(memory[: max(1, len(memory) // 10)]), memory[-1]
    print(f"{values.rounds} requests, {wrong} answered wrongly; {first:.0f} MB at first, {last:.0f} MB at the end")
    return 1 if wrong or last > first + GROWTH_MB else 0


if __name__ == "__main__":
    sys.exit(main())
