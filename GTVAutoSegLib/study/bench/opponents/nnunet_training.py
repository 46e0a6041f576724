r"""The real nnU-Net v2 beside ours: export, plan, preprocess, train, predict, and measure with our `evaluate`.

    python -m GTVAutoSegLib.study.bench.opponents.nnunet_training DATASET WORK \
        [--epochs 1 --iterations 2 --memory 2 --patch 48]

It needs the extra ``opponents``; docs/results/nnunet.md says how to install it. DATASET has the folders ``train`` and
``val``; the first cases of each are taken. WORK, outside the repository, gets nnU-Net's folders, the predictions,
``evaluation``, and the seconds of every step in ``done``. A step that is done is not done again: the same command goes
on where a run was stopped or failed.

The options in brackets show on a CPU that everything goes together; they make a model that has learnt nothing. Without
them nnU-Net trains as it always does, 1000 epochs of 250 steps on patches of its own size: ``--device cuda``. On a CPU
prediction is neither mirrored nor in overlapping patches.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from ....errors import GTVAutoSegError
from ....images.read import read_volume
from .systems import check_installed

SCRIPTS = Path(sys.executable).parent
NUMBER, DATASET = "500", "Dataset500_data"
CONFIGURATION = "3d_fullres"
TRAINER = "ShortTrainer"
OURS = [sys.executable, "-m", "GTVAutoSegLib"]
# nnU-Net looks up the names of the arguments, so they have to be these.
TRAINER_CODE = f"""import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer


class {TRAINER}(nnUNetTrainer):
    def __init__(self, plans, configuration, fold, dataset_json, device=torch.device("cuda")):
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs = {{epochs}}
        self.num_iterations_per_epoch = {{iterations}}
        self.num_val_iterations_per_epoch = 1

    def perform_actual_validation(self, save_probabilities=False):
        pass  # nnUNetv2_predict does the same to the same cases
"""

# nnU-Net imports timm, and that torchvision. When torchvision comes from PyPI, a CPU build of torch cannot load its
# compiled operators. Nothing here uses them: declaring the two that it asks for lets the import go through.
SHIM = """import torch

for name in ("nms", "qnms"):
    torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""


def main() -> None:
    """Do all steps that WORK lacks, and print how long each took."""
    arguments = read_arguments()
    work = arguments.work.resolve()
    (work / "done").mkdir(parents=True, exist_ok=True)
    keep_options(work / "options.json", arguments)
    data = take_cases(arguments.dataset, work / "data", {"train": arguments.train, "val": arguments.val})
    environment = prepare_environment(work, arguments)
    prepare_data(work, data, environment, arguments)
    compete(work, data, environment, arguments)
    print({path.name: float(path.read_text()) for path in sorted((work / "done").iterdir())})


def read_arguments() -> argparse.Namespace:
    """The command line; ends with a sentence when it cannot be meant."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--train", type=int, default=4, help="cases to learn from")
    parser.add_argument("--val", type=int, default=2, help="cases to predict")
    parser.add_argument("--epochs", type=int, help="of a short training")
    parser.add_argument("--iterations", type=int, help="steps of each of its epochs")
    parser.add_argument("--memory", type=float, help="GB of GPU memory that nnU-Net plans patch and batch for")
    parser.add_argument("--patch", type=int, help="side of the patches, a multiple of 16, in place of the planned ones")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    try:
        check_installed("nnunet")
    except GTVAutoSegError as error:
        parser.error(str(error))
    if (arguments.epochs is None) != (arguments.iterations is None):
        parser.error("give --epochs and --iterations both, or none")
    if arguments.epochs is None and arguments.device == "cpu":
        parser.error(
            "nnU-Net's own 250,000 steps take months on a CPU; give --epochs and --iterations, or --device cuda"
        )
    for part in ("train", "val"):
        if not (arguments.dataset / part).is_dir():
            parser.error(f"{arguments.dataset} has no folder {part}; expected a data set with train and val")
    return arguments


def keep_options(path: Path, arguments: argparse.Namespace) -> None:
    """Write what WORK is made with, or check that it is the same."""
    ours = {name: str(value) for name, value in vars(arguments).items() if name != "work"}
    ours["dataset"] = str(arguments.dataset.resolve())
    if path.exists() and json.loads(path.read_text()) != ours:
        sys.exit(f"{path.parent} was begun with other options ({path.name}); repeat those, or give another folder")
    path.write_text(json.dumps(ours, indent=1) + "\n")


def take_cases(dataset: Path, data: Path, counts: dict[str, int]) -> Path:
    """A data set of the first cases, linked."""
    for part, count in counts.items():
        (data / part).mkdir(parents=True, exist_ok=True)
        for case in sorted((dataset / part).iterdir())[:count]:
            if not (data / part / case.name).exists():
                (data / part / case.name).symlink_to(case.resolve())
    return data


def prepare_environment(work: Path, arguments: argparse.Namespace) -> dict[str, str]:
    """nnU-Net's folders and, for a short training, its trainer."""
    folders = {f"nnUNet_{name}": work / name for name in ("raw", "preprocessed", "results")}
    folders["nnUNet_extTrainer"] = work / "trainer"
    for folder in folders.values():
        folder.mkdir(exist_ok=True)
    if arguments.epochs is not None:
        code = TRAINER_CODE.format(epochs=arguments.epochs, iterations=arguments.iterations)
        (work / "trainer" / f"{TRAINER}.py").write_text(code)
    settings = {name: str(folder) for name, folder in folders.items()}
    if arguments.device == "cpu":
        settings |= {"nnUNet_n_proc_DA": "1", "nnUNet_compile": "false"}
    if subprocess.run([sys.executable, "-c", "import torchvision"], capture_output=True, check=False).returncode:
        (work / "shim").mkdir(exist_ok=True)
        (work / "shim" / "sitecustomize.py").write_text(SHIM)
        settings["PYTHONPATH"] = str(work / "shim")
    return {**os.environ, **settings}


def prepare_data(work: Path, data: Path, environment: dict[str, str], arguments: argparse.Namespace) -> None:
    """Our export, and nnU-Net's plan of it with our splits."""
    export = [*OURS, "export-nnunet", str(data), str(work / "raw"), "--id", NUMBER]
    step(work, "export", export)
    plan = [str(SCRIPTS / "nnUNetv2_plan_and_preprocess"), "-d", NUMBER, "-c", CONFIGURATION]
    plan += ["-np", "1", "-npfp", "1", "--verify_dataset_integrity", "--no_pbar"]
    plan += [] if arguments.memory is None else ["-gpu_memory_target", str(arguments.memory)]
    step(work, "plan", plan, env=environment)
    preprocessed = work / "preprocessed" / DATASET
    shutil.copyfile(work / "raw" / DATASET / "splits_final.json", preprocessed / "splits_final.json")
    plans = json.loads((preprocessed / "nnUNetPlans.json").read_text())
    chosen = plans["configurations"][CONFIGURATION]
    if arguments.patch is not None:
        chosen["patch_size"] = [arguments.patch] * 3
        (preprocessed / "nnUNetPlans.json").write_text(json.dumps(plans, indent=4))
    print({key: chosen[key] for key in ("patch_size", "batch_size", "spacing")}, flush=True)


def compete(work: Path, data: Path, environment: dict[str, str], arguments: argparse.Namespace) -> None:
    """Train, predict, and measure."""
    how = ["-device", arguments.device, *(["-tr", TRAINER] if arguments.epochs is not None else [])]
    begun = any((work / "results").rglob("checkpoint_latest.pth"))
    train = [str(SCRIPTS / "nnUNetv2_train"), NUMBER, CONFIGURATION, "0", *(["--c"] if begun else [])]
    step(work, "train", [*train, *how], env=environment)
    predict = [str(SCRIPTS / "nnUNetv2_predict"), "-i", str(work / "raw" / DATASET / "imagesTs")]
    predict += ["-o", str(work / "predictions"), "-d", NUMBER, "-c", CONFIGURATION, "-f", "0", "-npp", "1", "-nps", "1"]
    predict += ["--disable_progress_bar", *(["--disable_tta", "-step_size", "1"] if arguments.device == "cpu" else [])]
    step(work, "predict", [*predict, *how], env=environment)
    check_masks(work / "predictions", data / "val")
    evaluate = ["evaluate", str(data / "val"), "--predictions", str(work / "predictions")]
    step(work, "evaluate", [*OURS, *evaluate, "--output", str(work / "evaluation")])


def check_masks(predictions: Path, cases: Path) -> None:
    """Check that every case has a mask of 0 and 1 on its CT's own grid."""
    for case in sorted(cases.iterdir()):
        ct, mask = read_volume(case / "data.nii.gz"), read_volume(predictions / f"{case.name}.nii.gz")
        grids = [np.hstack([v.array.shape, v.spacing, v.origin, v.direction]) for v in (ct, mask)]
        values = np.unique(mask.array)
        if not np.allclose(grids[0], grids[1], atol=1e-4) or not set(values) <= {0, 1}:
            sys.exit(f"the mask of {case.name} has values {values} or another grid; expected 0, 1 and the CT's grid")
        print(f"{case.name}: on the CT's grid, values {values}, {np.count_nonzero(mask.array)} voxels of tumour")


def step(work: Path, name: str, command: list[str], **options: object) -> None:
    """Run a step that is not done; ends the benchmark when it fails."""
    done = work / "done" / name
    if done.exists():
        return
    print(f"== {name}: {' '.join(command)}", flush=True)
    started = time.monotonic()
    code = subprocess.run(command, check=False, **options).returncode  # type: ignore[call-overload]
    if code:
        sys.exit(f"the step {name} ended with exit code {code}, see above; the same command goes on with it")
    done.write_text(f"{time.monotonic() - started:.0f}\n")


if __name__ == "__main__":
    main()
