"""The real nnU-Net v2 beside ours: export, plan, preprocess, train, predict, and measure with our `evaluate`.

    python -m Testing.benchmarks.nnunet_opponent DATASET WORK [--epochs 1 --iterations 2 --memory 2 --patch 48]

DATASET has the folders ``train`` and ``val``; the first cases of each are taken. WORK, outside the repository, gets a
virtual environment of its own with nnU-Net and the build of torch that ``Testing/constraints.txt`` names, nnU-Net's
folders, the predictions and ``evaluation``. What WORK has of these is not done again, except training and prediction.

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

ROOT = Path(__file__).resolve().parents[2]
NNUNET = "nnunetv2==2.8.1"
NUMBER = "500"
CONFIGURATION = "3d_fullres"
TRAINER = "ShortTrainer"
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
    if (arguments.epochs is None) != (arguments.iterations is None):
        parser.error("give --epochs and --iterations both, or none")
    work = arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    set_up(work / "venv")
    data = take_cases(arguments.dataset, work / "data", {"train": arguments.train, "val": arguments.val})
    environment = prepare_environment(work, arguments)
    compete(work, data, environment, arguments)


def set_up(venv: Path) -> None:
    """An environment with nnU-Net; torch first, or pip would take a CUDA build of several GB."""
    if (venv / "bin" / "nnUNetv2_train").exists():
        return
    run("virtual environment", [sys.executable, "-m", "venv", str(venv)])
    pip = [str(venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    pip += ["--constraint", str(ROOT / "Testing" / "constraints.txt")]
    run("torch", [*pip, "torch"])
    run("nnU-Net", [*pip, NNUNET])


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
    if subprocess.run(
        [str(work / "venv" / "bin" / "python"), "-c", "import torchvision"], capture_output=True
    ).returncode:
        (work / "shim").mkdir(exist_ok=True)
        (work / "shim" / "sitecustomize.py").write_text(SHIM)
        settings["PYTHONPATH"] = str(work / "shim")
    return {**os.environ, **settings}


def compete(work: Path, data: Path, environment: dict[str, str], arguments: argparse.Namespace) -> None:
    """From the export to the figures."""
    ours = [sys.executable, "-m", "GTVAutoSegLib"]
    bin_ = work / "venv" / "bin"
    trainer = ["-tr", TRAINER] if arguments.epochs is not None else []
    if not (work / "raw" / "Dataset500_data").exists():
        run("export", [*ours, "export-nnunet", str(data), str(work / "raw"), "--id", NUMBER], cwd=ROOT)
    raw, preprocessed = work / "raw" / "Dataset500_data", work / "preprocessed" / "Dataset500_data"
    plan = [str(bin_ / "nnUNetv2_plan_and_preprocess"), "-d", NUMBER, "-c", CONFIGURATION, "-np", "1", "-npfp", "1"]
    plan += ["--verify_dataset_integrity", "--no_pbar"]
    plan += [] if arguments.memory is None else ["-gpu_memory_target", str(arguments.memory)]
    if not (preprocessed / "splits_final.json").exists():
        run("plan and preprocess", plan, env=environment)
    shutil.copyfile(raw / "splits_final.json", preprocessed / "splits_final.json")
    plans = json.loads((preprocessed / "nnUNetPlans.json").read_text())
    chosen = plans["configurations"][CONFIGURATION]
    if arguments.patch is not None:
        chosen["patch_size"] = [arguments.patch] * 3
        (preprocessed / "nnUNetPlans.json").write_text(json.dumps(plans, indent=4))
    device = ["-device", arguments.device]
    run("train", [str(bin_ / "nnUNetv2_train"), NUMBER, CONFIGURATION, "0", *trainer, *device], env=environment)
    predict = [str(bin_ / "nnUNetv2_predict"), "-i", str(raw / "imagesTs"), "-o", str(work / "predictions")]
    predict += ["-d", NUMBER, "-c", CONFIGURATION, "-f", "0", "-npp", "1", "-nps", "1", "--disable_progress_bar"]
    predict += ["--disable_tta", "-step_size", "1"] if arguments.device == "cpu" else []
    run("predict", [*predict, *trainer, *device], env=environment)
    evaluate = ["evaluate", str(data / "val"), "--predictions", str(work / "predictions")]
    run("evaluate", [*ours, *evaluate, "--output", str(work / "evaluation")], cwd=ROOT)
    print({key: chosen[key] for key in ("patch_size", "batch_size", "spacing")})


def run(what: str, command: list[str], **options: object) -> None:
    """Run a step; ends the benchmark when it fails."""
    print(f"== {what}: {' '.join(command)}", flush=True)
    started = time.monotonic()
    subprocess.run(command, check=True, **options)  # type: ignore[call-overload]
    print(f"== {what}: {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
