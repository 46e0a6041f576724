"""Commands killed at any moment: ``python -m Testing.campaign.kills --rounds 20 --seed 0``.

Each command is killed with SIGKILL, all its processes with it, after a random part of the time that it takes, and then
run again to its end. Inputs may not change, nothing may be half there after the kill, the second run has to end with
what an undisturbed one leaves, and nothing else may lie around.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Testing" / "Python"))

# Names of what a run may leave beside its results, and files that tell times or paths and so differ between runs.
BESIDE = (".gtvautoseg.lock",)
DIFFERING = (
    *(".html", ".log", ".jsonl", ".png", "summary.csv", "result.json", "audit.jsonl", "run.json", ".pt", ".dcm"),
    *("collect.json", "cases.json", "commission.json"),
)


@dataclass(frozen=True)
class Victim:
    """A command.

    Attributes:
        arguments: of `gtvautoseg` from the folders of inputs and outputs.
        again: further arguments of the run after the kill.
        whole: raises when an output that is there is half.
        copied: names of inputs that lie in the output folder from the start, and that the kill may not harm.
        begun: names of folders that lie in the output folder from the start, and are gone on with.
        stored: names of models that are installed from the start, one after the other; the user's data lie in the
            output folder.
        status: what structure sets of cases say of their approval at the end, "" for any.
    """

    arguments: Callable[[Path, Path], list[str]]
    again: tuple[str, ...] = ()
    copied: tuple[str, ...] = ()
    begun: tuple[str, ...] = ()
    stored: tuple[str, ...] = ()
    status: str = ""


def commission(inputs: Path, output: Path) -> list[str]:
    """The arguments of a commission that asks for nothing."""
    words = ["commission", str(inputs / "set"), "--model", str(inputs / "model"), "--output", str(output / "filed")]
    return [*words, "--limits", str(inputs / "limits.json")]


def case_in(folder: Path) -> str:
    """The folder of a batch's only case."""
    return str(next(path for path in folder.iterdir() if path.is_dir()))


VICTIMS = {
    "segment": Victim(
        lambda i, o: ["segment", str(i / "ct.nrrd"), "--model", str(i / "model"), "--output", str(o / "gtv.seg.nrrd")]
    ),
    "complete": Victim(
        lambda i, o: ["complete", str(i / "ct.nrrd"), str(i / "drawn.nrrd"), "--output", str(o / "gtv.seg.nrrd")]
    ),
    "batch": Victim(
        lambda i, o: ["batch", str(i / "many"), str(o / "out"), "--model", str(i / "model")], ("--resume",)
    ),
    "batch, 2 workers": Victim(
        lambda i, o: ["batch", str(i / "many"), str(o / "out"), "--model", str(i / "model"), "--workers", "2"],
        ("--resume",),
    ),
    "import": Victim(lambda i, o: ["import", str(i / "dicom"), str(o / "set"), "--roi", "gtv.*"]),
    "rtstruct --add-to": Victim(
        lambda i, o: [
            *("rtstruct", str(i / "dicom" / "P1" / "ct"), str(i / "gtv.nrrd"), "--name", "GTVn"),
            *("--add-to", str(o / "rs.dcm"), "--output", str(o / "new.dcm")),
        ],
        copied=("rs.dcm",),
    ),
    "train": Victim(
        lambda i, o: ["train", "sts-gtv", str(i / "set"), str(o / "run"), "--preset", str(i / "tiny.json")],
        ("--resume",),
    ),
    "compare": Victim(
        lambda i, o: ["compare", str(i / "set"), str(i / "model"), str(i / "other"), "--output", str(o / "out")]
    ),
    "collect": Victim(lambda i, o: ["collect", str(i / "ct.nrrd"), str(i / "drawn.nrrd"), str(o / "set"), "--accept"]),
    "collect, corrected": Victim(
        lambda i, o: ["collect", str(i / "ct.nrrd"), str(i / "corrected.nrrd"), str(o / "collected"), "--accept"],
        begun=("collected",),
    ),
    "commission": Victim(commission, ("--replace",)),
    "commission, 2 workers": Victim(lambda i, o: [*commission(i, o), "--workers", "2"], ("--replace",)),
    "approve": Victim(
        lambda i, o: ["approve", case_in(o / "night"), "--reviewer", "Meyer^Anna"],
        begun=("night",),
        status="APPROVED",
    ),
    "approve --withdraw": Victim(
        lambda i, o: ["approve", case_in(o / "approved"), "--withdraw", "a vessel was taken for tumour"],
        begun=("approved",),
        status="UNAPPROVED",
    ),
    "drift": Victim(lambda i, o: ["drift", str(i / "trails"), "--output", str(o / "drift")]),
    "model install": Victim(lambda i, o: ["model", "install", str(i / "lung-2"), "--replace"], stored=("lung-1",)),
    "model use": Victim(lambda i, o: ["model", "use", "lung", "1.0.0"], stored=("lung-1", "lung-2")),
}


def make_inputs(folder: Path) -> None:
    """Small CTs, DICOM studies, a data set, a model and a preset."""
    import json

    import numpy as np
    import pydicom
    import SimpleITK as sitk
    from batches import write_cts
    from bundles import make_bundle
    from datasets import write_case
    from dicom_samples import patient_array, write_series
    from phantoms import body_ct
    from rtstruct_samples import square, write_rtstruct
    from trails import write_trail, year

    from GTVAutoSegLib.evaluation.commission.limits import Limits

    write_cts(folder / "many", 4)
    shutil.copy(folder / "many" / "ct00.nrrd", folder / "ct.nrrd")
    ct = sitk.ReadImage(str(folder / "ct.nrrd"))
    drawn = np.zeros(sitk.GetArrayFromImage(ct).shape, np.uint8)
    drawn[3, 20:30, 20:30] = drawn[7, 22:32, 20:28] = 1
    mask = sitk.GetImageFromArray(drawn)
    mask.CopyInformation(ct)
    sitk.WriteImage(mask, str(folder / "drawn.nrrd"))
    run(["collect", str(folder / "ct.nrrd"), str(folder / "drawn.nrrd"), str(folder / "collected"), "--accept"])
    drawn[5, 21:31, 21:29] = 1
    mask = sitk.GetImageFromArray(drawn)
    mask.CopyInformation(ct)
    sitk.WriteImage(mask, str(folder / "corrected.nrrd"))
    make_bundle(folder / "model", bias=50.0)
    make_bundle(folder / "other", bias=1.0)
    for number in (1, 2):
        make_bundle(folder / f"lung-{number}", id="lung", version=f"{number}.0.0", bias=float(number))
    for number in range(3):
        files = write_series(folder / "dicom" / f"P{number}" / "ct", patient_array(seed=number), PatientID=f"P{number}")
        contours = {"GTV": [square(-5, -10, 5, 4, height) for height in (-27, -24, -21)]}
        write_rtstruct(folder / "dicom" / f"P{number}" / "rs.dcm", files, contours)
    shutil.copy(folder / "dicom" / "P1" / "rs.dcm", folder / "rs.dcm")
    first = pydicom.dcmread(sorted((folder / "dicom" / "P1" / "ct").iterdir())[0])
    gtv = sitk.GetImageFromArray(np.pad(np.ones((2, 4, 4), np.uint8), ((1, 2), (3, 13), (3, 17))))
    gtv.SetOrigin([float(part) for part in first.ImagePositionPatient])
    gtv.SetSpacing([float(first.PixelSpacing[1]), float(first.PixelSpacing[0]), 3.0])
    sitk.WriteImage(gtv, str(folder / "gtv.nrrd"))
    write_series(folder / "ward", body_ct((6, 48, 56)), pixel_spacing=(1.0, 1.0))
    run(["batch", str(folder / "ward"), str(folder / "night"), "--model", str(folder / "model")])
    shutil.copytree(folder / "night", folder / "approved")
    run(["approve", case_in(folder / "approved"), "--reviewer", "Meyer^Anna"])
    write_trail(folder / "trails", year(seed=3))
    for number in range(3):
        write_case(folder / "set" / f"case{number}", number)
    limits = [name for name in Limits.__dataclass_fields__ if "at_" in name]
    (folder / "limits.json").write_text(json.dumps(dict.fromkeys(limits)))
    stage = {"epochs": 2, "batch": 4, "restart_epochs": 1}
    preset = {"size": 32, "width": 8, "folds": 3, "classifier": stage, "segmenter": stage}
    (folder / "tiny.json").write_text(json.dumps(preset))


def hashes(folder: Path) -> dict[str, str]:
    """What lies in a folder, by path; those that tell times have no hash."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and path.name not in BESIDE and "tensorboard" not in name:
            differs = path.name.endswith(DIFFERING)
            found[name] = "" if differs else hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def half_there(folder: Path) -> list[str]:
    """Images, tables and DICOM files that cannot be read."""
    import json

    import pydicom
    import SimpleITK as sitk

    bad = []
    for path in folder.rglob("*"):
        if any(part.startswith(".") for part in path.relative_to(folder).parts) or not path.is_file():
            continue
        try:
            if path.name.endswith((".nrrd", ".nii.gz")):
                sitk.ReadImage(str(path))
            elif path.suffix == ".dcm":
                pydicom.dcmread(path)
            elif path.suffix == ".json":
                json.loads(path.read_text())
        except Exception as error:
            bad.append(f"{path.name}: {error}")
    return bad


def run(arguments: list[str], seconds: float | None = None, data: Path | None = None) -> tuple[int, float, str]:
    """Run a command, or kill it and all its processes after so many seconds: exit code, time, what it said.

    Args:
        arguments: of `gtvautoseg`.
        seconds: until it is killed.
        data: folder for the user's data, installed models among them.
    """
    begun = time.monotonic()
    child = subprocess.Popen(
        [sys.executable, "-m", "GTVAutoSegLib", *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
            **({} if data is None else {"XDG_DATA_HOME": str(data)}),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _, said = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        _, said = child.communicate()
    return child.returncode, time.monotonic() - begun, said


def fresh(folder: Path, inputs: Path, victim: Victim) -> Path:
    """An output folder as it is before a run."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in victim.copied:
        shutil.copy(inputs / name, folder / name)
    for name in victim.begun:
        shutil.copytree(inputs / name, folder / name)
    for name in victim.stored:
        run(["model", "install", str(inputs / name), "--replace"], data=folder)
    return folder


def wrongs(victim: Victim, inputs: Path, work: Path, expected: dict[str, str], seconds: float) -> list[str]:
    """What is wrong after one kill and the run after it."""
    before = hashes(inputs)
    output = fresh(work / "out", inputs, victim)
    arguments = victim.arguments(inputs, output)
    run(arguments, seconds, output)
    found = [f"half there after the kill: {one}" for one in half_there(output)]
    found += [f"{name} was harmed" for name in victim.copied if hashes(output).get(name) != hashes(inputs)[name]]
    code, _, said = run([*arguments, *victim.again], data=output)
    if code != 0:
        found.append(f"the run after it ended with {code}: {said.strip()[-300:]}")
    left = hashes(output)
    found += [f"left behind: {name}" for name in left.keys() - expected.keys()]
    found += [f"missing: {name}" for name in expected.keys() - left.keys()]
    found += [f"differs: {name}" for name in left.keys() & expected.keys() if left[name] != expected[name]]
    found += misleading(victim, output)
    if hashes(inputs) != before:
        found.append("an input changed")
    return found


def misleading(victim: Victim, output: Path) -> list[str]:
    """Audit trails whose chain is broken, and structure sets of cases that say something else of their approval."""
    import pydicom

    from GTVAutoSegLib.report.record.audit import AUDIT, read_trail

    found = [f"{path.name}: {problem}" for path in output.rglob(AUDIT) if (problem := read_trail(path).problem)]
    for path in output.rglob("case_*.dcm") if victim.status else ():
        status = pydicom.dcmread(path).ApprovalStatus
        found += [] if status == victim.status else [f"{path.name} says {status}"]
    return found


def main() -> int:
    """Print a line a command, and what was wrong; the exit code is 1 when something was."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30, help="kills of each command")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=VICTIMS, nargs="+", default=list(VICTIMS))
    values = parser.parse_args()
    bad = 0
    print("| command | kills | lost, halved, doubled or left behind |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        inputs, work = Path(name) / "in", Path(name) / "work"
        inputs.mkdir()
        work.mkdir()
        make_inputs(inputs)
        for title in values.only:
            victim = VICTIMS[title]
            chance = random.Random(f"{title} {values.seed}")
            output = fresh(work / "out", inputs, victim)
            code, seconds, said = run(victim.arguments(inputs, output), data=output)
            if code != 0:
                print(f"{title}: an undisturbed run ends with {code}: {said}", file=sys.stderr)
                return 1
            expected = hashes(output)
            found = []
            for _ in range(values.rounds):
                found += wrongs(victim, inputs, work, expected, chance.uniform(0.05, 1.0) * seconds)
            bad += len(found)
            print(f"| `{title}` | {values.rounds} | {len(found)} |", flush=True)
            for one in found:
                print(f"{title}: {one}", file=sys.stderr, flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
