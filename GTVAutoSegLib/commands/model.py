"""``gtvautoseg model``: the model bundles on this machine."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from ..errors import InputError, ModelError
from ..model.bundle import id_of, iterate_bundles, model_folders, read_bundle, verify_model
from ..model.kept import kept_versions
from ..model.store import (
    check_recordable,
    displaced_model,
    export_model,
    install_model,
    is_shipped,
    record,
    remove_model,
)
from ..model.versions import use_version, versions
from ..system.names import counted
from .cli import add_command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the subcommands."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, (_, text) in ACTIONS.items():
        action = add_command(actions, name, text)
        if name != "list":
            action.add_argument("model", metavar="MODEL", help="id, or path of a bundle's folder or .zip")
        if name == "export":
            action.add_argument("output", metavar="OUT.zip", type=Path, help="file to write")
        if name == "install":
            action.add_argument("--replace", action="store_true", help="also where another model has the same id")
        if name == "use":
            action.add_argument("version", metavar="VERSION", help="its number, or the beginning of its digest")
        if name == "calibrate":
            action.add_argument("dataset", metavar="DATASET", type=Path, help="CTs whose activations are measured")
            action.add_argument(
                "--compare", metavar="DATASET", type=Path, required=True, help="other CTs with labels to compare on"
            )


def run(arguments: argparse.Namespace) -> None:
    """Dispatch to the action."""
    ACTIONS[arguments.action][0](arguments)


def list_models(_: argparse.Namespace) -> None:
    """Print one line a bundle; a damaged one is listed with what is wrong, one that another hides beneath it."""
    found: dict[str, list[Path]] = {}

    def skipped(folder: Path, error: OSError) -> None:
        print(f"warning: {folder} cannot be read ({error.strerror}) and was skipped", file=sys.stderr)

    for path in (path for folder in model_folders() for path in iterate_bundles([folder], skipped)):
        found.setdefault(id_of(path), []).append(path)
    if not found:
        print("no model found in: " + ", ".join(str(folder) for folder in model_folders()))
    width = max(map(len, found), default=0)
    for name, (path, *hidden) in found.items():
        print(f"{name:<{width}}  {_described(path)}")
        for other in hidden:
            print(f"{'':<{width}}  hides {other}, which has the same id")


def _described(path: Path) -> str:
    try:
        info = read_bundle(path).info
    except ModelError as error:
        return f"damaged: {error}"
    dsc = info.metrics.get("dsc")
    measured = "" if dsc is None else f"  DSC {dsc:.2f} ({info.metrics.get('split')})"
    place = "" if is_shipped(path) else f"  in {path}"
    return f"{info.version:<8} {info.title}  [{info.task.site}]{measured}{place}"


def show(arguments: argparse.Namespace) -> None:
    """Print the description as JSON."""
    bundle = read_bundle(arguments.model)
    print(json.dumps({"path": str(bundle.path), "digest": bundle.digest, **asdict(bundle.info)}, indent=2))


def verify(arguments: argparse.Namespace) -> None:
    """Check every file; raises ModelError naming the first that is wrong."""
    bundle = verify_model(arguments.model)
    print(
        f"{bundle.info.id} {bundle.info.version}: {counted(len(bundle.info.weight_files), 'weight file')}, whole and "
        "unchanged"
    )


def install(arguments: argparse.Namespace) -> None:
    """Copy a bundle to the user's own folder, verified first; another model of the same id is not replaced unasked."""
    other = displaced_model(arguments.model)
    if other is not None and not arguments.replace:
        raise InputError(
            f"the id '{other.info.id}' stands for another model, version {other.info.version} in {other.path}; give "
            "the new one an id of its own (that of the task it is trained for), or use --replace"
        )
    bundle = install_model(arguments.model)
    print(f"installed: {bundle.info.id} {bundle.info.version} in {bundle.path}")
    if other is not None:
        which = other.info.version if other.info.version != bundle.info.version else other.digest[:12]
        print(
            f"version {other.info.version} is kept; bring it back with: gtvautoseg model use {bundle.info.id} {which}"
        )


def calibrate(arguments: argparse.Namespace) -> None:
    """Measure ranges on one data set, compare on another, and write both into the description."""
    from ..cascade.load import load_model
    from ..system.progress import progress_bar
    from ..training.data.dataset import find_cases
    from ..training.results.calibration import calibrate as measure

    check_recordable(arguments.model)
    cases, others = find_cases(arguments.dataset), find_cases(arguments.compare)
    model = load_model(arguments.model, device="cpu", precision="fp32")
    with progress_bar("case") as progress:
        calibration = measure(model, cases, others, progress)
    path = record(arguments.model, "calibration", asdict(calibration))
    found = calibration.agreement
    print(
        f"{found.split}: {counted(found.cases, 'case')}, DSC of int8 and fp32 masks {found.dsc_mean:.4f} (worst "
        f"{found.dsc_worst:.4f}), {found.slices_equal:.2%} of {found.slices} slice decisions equal, slice recall "
        f"{found.recall_fp32:.4f} in fp32, {found.recall_int8:.4f} in int8"
    )
    print("precision auto " + ("takes int8" if found.close else "stays with fp32: results differ too much"))
    print(f"written: {path}")


def list_versions(arguments: argparse.Namespace) -> None:
    """Print one line a version, the one in use first."""
    for one in versions(arguments.model):
        kind = "in use" if one.current else "shipped" if one.shipped else "kept"
        print(f"{one.version or 'damaged':<8} {one.digest[:12]:<12}  {kind:<7}  {one.problem or one.path}")


def use(arguments: argparse.Namespace) -> None:
    """Bring a version back."""
    bundle = use_version(arguments.model, arguments.version)
    print(f"in use: {bundle.info.id} {bundle.info.version} ({bundle.digest[:12]})")


def remove(arguments: argparse.Namespace) -> None:
    """Delete an installed bundle; shipped ones are refused."""
    path = remove_model(arguments.model)
    print(f"removed: {path}")
    for kept in kept_versions(path.name, path.parent):
        print(f"a copy that was kept as a version is still there: {kept}")


def export(arguments: argparse.Namespace) -> None:
    """Write a bundle as one .zip, verified first."""
    print(f"written: {export_model(arguments.model, arguments.output)}")


ACTIONS = {
    "list": (list_models, "every model found, with site and measured DSC"),
    "info": (show, "all of a model's description, as JSON"),
    "verify": (verify, "check files and hashes"),
    "install": (install, "copy a bundle to your own models, so that it is found by its id"),
    "calibrate": (calibrate, "make the 8-bit form, which CPUs run faster, and record how its results compare"),
    "versions": (list_versions, "every version of a model: the one in use, and those that were replaced"),
    "use": (use, "let a model's id stand for another of its versions; the one in use is kept"),
    "remove": (remove, "delete a model that was installed; versions that it replaced are kept"),
    "export": (export, "write a bundle as one .zip, to hand it on"),
}
