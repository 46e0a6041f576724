"""What a user waits for before anything is computed: seconds of wall and processor time.

    python -m GTVAutoSegLib.study.bench.parts.startup --model sts-gtv

``import GTVAutoSegLib``, `gtvautoseg --help` and `model list`, and the worker of the Slicer module: the first request,
with the start of the process, PyTorch and the model, and the same request again.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import SimpleITK as sitk

from ..phantom import body_ct

ROUNDS = 3
# What is measured, by how it is called: options of a Python that is started for it.
COMMANDS = {
    "import GTVAutoSegLib": ["-c", "import GTVAutoSegLib"],
    "gtvautoseg --help": ["-m", "GTVAutoSegLib", "--help"],
    "gtvautoseg model list": ["-m", "GTVAutoSegLib", "model", "list"],
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="sts-gtv")
    model = parser.parse_args().model
    for name, options in COMMANDS.items():
        wall, busy = min(command(options) for _ in range(ROUNDS))
        print(f"{name}: {wall:.2f} s, {busy:.2f} s of processor time")
    with tempfile.TemporaryDirectory() as folder:
        for name, (wall, busy, memory) in zip(("first", "second", "third"), requests(Path(folder), model)):
            print(f"{name} request: {wall:.2f} s, {busy:.2f} s of processor time, then {memory} MB")


def command(options: list[str]) -> tuple[float, float]:
    """Wall and processor time of a Python process with these options, from its start to its end, s."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *options], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return time.perf_counter() - started, busy


def requests(folder: Path, model: str) -> list[tuple[float, float, int]]:
    """Wall and processor time of each of three requests to one worker, s, and the memory it holds after it, MB."""
    image = sitk.GetImageFromArray(body_ct((20, 512, 512)))
    image.SetSpacing((0.5, 0.5, 3.0))  # small enough for a box model to take it as its own box
    sitk.WriteImage(image, str(folder / "ct.nrrd"))
    arguments = ["segment", "--input", str(folder / "ct.nrrd"), "--output", str(folder / "mask.nrrd"), "--model", model]
    started, figures, busy_before = time.perf_counter(), [], 0.0
    worker = [sys.executable, "-m", "GTVAutoSegLib.commands.worker", "serve"]
    with subprocess.Popen(worker, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None  # noqa: S101 - a pipe
        for _ in range(ROUNDS):
            print(json.dumps({"id": "1", "arguments": arguments}), file=child.stdin, flush=True)
            while json.loads(child.stdout.readline())["event"] != "done":
                pass
            wall = time.perf_counter() - started
            time.sleep(0.5)  # it gives memory back after its answer
            busy, memory = state(child.pid)
            figures.append((wall, busy - busy_before, memory))
            started, busy_before = time.perf_counter(), busy
    return figures


def state(pid: int) -> tuple[float, int]:
    """Processor time so far, s, and resident memory, MB, of a process on Linux."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks, pages = int(fields[11]) + int(fields[12]), int(fields[21])
    return ticks / 100, pages * resource.getpagesize() // 2**20


if __name__ == "__main__":
    main()
