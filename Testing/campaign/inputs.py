"""Thousands of damaged inputs, each given to the command that reads it: ``python -m Testing.campaign.inputs``.

A damaged volume or slice goes to ``segment`` and, now and then, to ``batch``; a damaged structure set to ``import``.
Every run has to end with a documented exit code other than 4, one line for an error, and no traceback. Runs happen in
child processes, so that one that the system ends is counted as what it is.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "Python"))

from .mutate_dicom import mutate_dicom
from .mutate_header import mutate_nifti, mutate_text

SHAPE = (6, 24, 24)
KINDS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "nii": mutate_nifti,
    "nrrd": mutate_text,
    "mha": mutate_text,
    "slice": mutate_dicom,
    "set": mutate_dicom,
}
HEADERS = ("nii", "nrrd", "mha", "slice")
ALLOWED = {0, 1, 2}
ROUNDS_A_PROCESS = 100


def make_inputs(folder: Path) -> None:
    """A sound input of each kind, and a tiny model."""
    import SimpleITK as sitk
    from bundles import make_bundle
    from dicom_samples import patient_array, write_series
    from rtstruct_samples import square, write_rtstruct

    array = patient_array(SHAPE)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((1.25, 1.5, 3.0))
    for suffix in ("nii", "nrrd", "mha"):
        sitk.WriteImage(image, str(folder / f"ct.{suffix}"))
    files = write_series(folder / "ct", array)
    rois = {"GTV": [square(-5, -10, 5, 4, height) for height in (-27, -24, -21)], "Lung": [square(0, 0, 9, 9, -24)]}
    write_rtstruct(folder / "rs.dcm", files, rois)
    make_bundle(folder / "model")


def one(inputs: Path, kind: str, seed: int, work: Path) -> tuple[int | str, str]:
    """Give one damaged input to its command; the exit code, and what is wrong with what it said."""
    from GTVAutoSegLib.commands.cli import main

    chance = random.Random(f"{kind} {seed}")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    model = str(inputs / "model")
    if kind == "set":
        shutil.copytree(inputs / "ct", work / "in")
        (work / "in" / "rs.dcm").write_bytes(KINDS[kind]((inputs / "rs.dcm").read_bytes(), chance))
        arguments = ["import", str(work / "in"), str(work / "out"), "--roi", "gtv.*"]
    elif kind == "slice":
        shutil.copytree(inputs / "ct", work / "in")
        victim = chance.choice(sorted((work / "in").iterdir()))
        victim.write_bytes(KINDS[kind](victim.read_bytes(), chance))
        arguments = ["segment", str(work / "in"), "--model", model, "--output", str(work / "gtv.nrrd")]
        if chance.random() < 0.3:
            arguments = ["batch", str(work / "in"), str(work / "out"), "--model", model, "--format", ".nrrd"]
    else:
        path = work / f"ct.{kind}"
        path.write_bytes(KINDS[kind]((inputs / f"ct.{kind}").read_bytes(), chance))
        arguments = ["segment", str(path), "--model", model, "--output", str(work / "gtv.nrrd")]
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code: int | str = main(arguments)
    except SystemExit as stop:
        code = f"SystemExit {stop.code}"
    except BaseException as error:  # everything that is not caught is what is looked for
        code = f"{type(error).__name__}: {error}"
    said = err.getvalue()
    errors = [line for line in said.splitlines() if line.startswith("gtvautoseg:")]
    wrong = ""
    if "Traceback" in said:
        wrong = "traceback"
    elif code == 2 and kind != "set" and len(errors) != 1 and "failed" not in said:
        wrong = f"{len(errors)} lines for one error"
    elif code not in ALLOWED:
        wrong = "exit code"
    return code, f"{wrong}: {said.strip()[-400:]}" if wrong else ""


def _child(inputs: Path, kind: str, first: int, count: int) -> None:
    with tempfile.TemporaryDirectory() as work:
        for seed in range(first, first + count):
            print(json.dumps({"start": seed}), flush=True)
            begun = time.monotonic()
            code, wrong = one(inputs, kind, seed, Path(work) / "work")
            answer = {"seed": seed, "code": code, "wrong": wrong, "seconds": time.monotonic() - begun}
            print(json.dumps(answer), flush=True)


def run(inputs: Path, kind: str, rounds: int, seed: int) -> tuple[Counter[str], list[str], float]:
    """All rounds of a kind: how often each exit code came, what was wrong, and the longest of them in seconds."""
    codes: Counter[str] = Counter()
    wrong: list[str] = []
    longest = 0.0
    first, last = seed, seed + rounds
    while first < last:
        command = [sys.executable, "-m", "Testing.campaign.inputs", "--child", str(inputs), kind, str(first)]
        child = subprocess.run(
            [*command, str(min(ROUNDS_A_PROCESS, last - first))], capture_output=True, text=True, check=False
        )
        begun = first
        for line in child.stdout.splitlines():
            answer = json.loads(line) if line.startswith('{"') else {}
            if "start" in answer:
                begun = answer["start"]
            elif "seed" in answer:
                codes[str(answer["code"])] += 1
                longest = max(longest, answer["seconds"])
                if answer["wrong"]:
                    wrong.append(f"{kind} {answer['seed']}: {answer['code']} {answer['wrong']}")
                first = answer["seed"] + 1
        if child.returncode:
            codes[f"ended by {child.returncode}"] += 1
            wrong.append(f"{kind} {begun}: the process ended with {child.returncode}: {child.stderr[-300:]}")
            first = begun + 1
    return codes, wrong, longest


def main(arguments: list[str] | None = None) -> int:
    """Run the campaign and print a table; 1 when something was wrong."""
    parser = argparse.ArgumentParser(description="Damaged inputs for segment, batch and import.")
    parser.add_argument("--headers", type=int, default=200, help="damaged volumes and slices")
    parser.add_argument("--sets", type=int, default=50, help="damaged structure sets")
    parser.add_argument("--seed", type=int, default=0, help="of the first one")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    values = parser.parse_args(arguments)
    if values.child:
        folder, kind, first, count = values.child
        _child(Path(folder), kind, int(first), int(count))
        return 0
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        make_inputs(Path(folder))
        for kind in KINDS:
            rounds = values.sets if kind == "set" else values.headers // len(HEADERS)
            codes, found, longest = run(Path(folder), kind, rounds, values.seed)
            wrong += found
            counts = ", ".join(f"{code}: {number}" for code, number in sorted(codes.items()))
            print(f"{kind:<6} {rounds:>5} inputs   exit codes {counts}   longest {longest:.1f} s", flush=True)
    print(f"{len(wrong)} wrong")
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
