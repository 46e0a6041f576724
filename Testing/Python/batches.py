"""Batches of small CTs for tests: what goes in, running them, and what came out."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import time
from pathlib import Path

import SimpleITK as sitk
from phantoms import body_ct

from GTVAutoSegLib.commands.cli import main

ROOT = Path(__file__).resolve().parents[2]
SHAPE = (10, 64, 72)


def write_cts(folder, count=3, shape=SHAPE):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        image = sitk.GetImageFromArray(body_ct(shape, seed=number))
        image.SetSpacing((1.0, 1.0, 3.0))
        sitk.WriteImage(image, str(folder / f"ct{number:02}.nrrd"))
    return folder


def run(capsys, *arguments):
    code = main(["batch", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def stamps(output):
    """What tells whether a result was written anew."""
    return {path.parent.name: path.stat().st_mtime_ns for path in output.glob("*/result.json")}


def rows(output):
    return {row["case"]: row for row in csv.DictReader((output / "summary.csv").read_text().splitlines())}


def start(*arguments):
    command = [sys.executable, "-m", "GTVAutoSegLib", "batch", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def wait_for_results(child, output, count):
    """Until so many results are there; their stamps."""
    end = time.monotonic() + 300
    while len(stamps(output)) < count and child.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
    return stamps(output)
