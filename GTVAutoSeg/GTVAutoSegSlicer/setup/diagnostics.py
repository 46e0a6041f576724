"""A report for support: versions, devices, model, the last failure and the log. It names no patient."""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path
from typing import Any

import slicer

import GTVAutoSegLib
from GTVAutoSegLib.errors import ModelError
from GTVAutoSegLib.model.bundle import read_bundle

from ..failures import NAMING_CODES, Failure
from ..models import bundle_paths, chosen_folder


def diagnostics(device: str, probe: dict[str, Any] | None, failure: Failure | None, log: str) -> str:
    """The report as plain text.

    Args:
        device: the selected one.
        probe: what the worker's probe answered, or None.
        failure: the one on the card, or None.
        log: the panel's log.
    """
    lines = [
        f"GTVAutoSeg {GTVAutoSegLib.__version__}",
        f"Slicer {slicer.app.applicationVersion} revision {slicer.app.revision}, {slicer.app.os} {slicer.app.arch}",
        f"{platform.platform()}, Python {sys.version.split()[0]}",
        f"temporary folder {slicer.app.temporaryPath}",
        f"model folder {chosen_folder()}",
        *(_describe(path) for path in bundle_paths()),
        f"selected device: {device}",
        f"PyTorch: {json.dumps(probe) if probe else 'not checked'}",
    ]
    if failure is not None:
        message = "" if failure.code in NAMING_CODES else failure.message
        lines += ["", f"last failure: {failure.code}: {message}".rstrip(": "), failure.details]
    return "\n".join([*lines, "", "log:", log, ""])


def _describe(path: Path) -> str:
    try:
        bundle = read_bundle(path)
    except ModelError as error:
        return f"model {path}: {error}"
    return f"model {path}: {bundle.info.id} {bundle.info.version} {bundle.digest}"
