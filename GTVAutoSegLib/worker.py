"""The child process Slicer starts: ``python -m GTVAutoSegLib.worker segment|probe``.

It answers on standard output with one ASCII JSON object per line, ``{"event": "stage" | "progress" | "warning" |
"result" | "error", ...}``, and ends with the exit codes of the command line. The parent cancels by creating the cancel
file, which is looked for between batches, or by closing the child's standard input.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .allocator import keep_freed_memory
from .commands.segment import slice_range
from .errors import Cancelled, GTVAutoSegError

HINTS = {
    "input": "Check the CT and the settings named above.",
    "device": "Choose another device, or update the GPU's driver or PyTorch.",
    "model": "Verify the model, or remove and install it again.",
    "torch-missing": "Install PyTorch.",
    "torch-broken": "Remove PyTorch and install it again.",
    "memory": "Close other programs, or run on the CPU.",
    "disk": "Free some space and run again.",
    "run": "Run again on the CPU; if it fails again, report it with the details.",
    "internal": "Report it with the details.",
    "cancelled": "",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one job and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m GTVAutoSegLib.worker")
    actions = parser.add_subparsers(dest="action", required=True)
    segment_parser = actions.add_parser("segment")
    for name in ("--input", "--output", "--model"):
        segment_parser.add_argument(name, required=True)
    segment_parser.add_argument("--device", default="auto")
    segment_parser.add_argument("--cancel-file", type=Path)
    segment_parser.add_argument("--threshold", type=float)
    segment_parser.add_argument("--slices", type=slice_range)
    segment_parser.add_argument("--watch-stdin", action="store_true", help="cancel when standard input closes")
    actions.add_parser("probe")
    values = parser.parse_args(arguments)
    channel = _claim_stdout()
    try:
        ACTIONS[values.action](values, channel)
    except GTVAutoSegError as error:
        _send_error(channel, error.kind, str(error))
        return error.exit_code
    except Exception as error:
        _send_error(channel, "internal", f"the run failed unexpectedly ({type(error).__name__}: {error})")
        return 4
    return 0


def segment(values: argparse.Namespace, send: Callable[..., None]) -> None:
    """Segment ``--input``, write ``--output``, and send the result."""
    cancelled = _watch(values)
    send("stage", stage="loading")
    _stop_if(cancelled())
    from .mask_writer import write_mask
    from .model import load_model
    from .summary import summarise
    from .volume_io import read_volume

    model = load_model(values.model, device=values.device)
    _stop_if(cancelled())
    send("stage", stage="reading")
    volume = read_volume(values.input)
    stages = set()

    def progress(stage: str, done: int, total: int) -> None:
        if stage not in stages:
            stages.add(stage)
            send("stage", stage=stage)
        send("progress", stage=stage, done=done, total=total)

    _stop_if(cancelled())
    result = model.segment(
        volume, progress=progress, slices=values.slices, threshold=values.threshold, cancelled=cancelled
    )
    for warning in result.warnings:
        send("warning", message=warning)
    _stop_if(cancelled())
    send("stage", stage="writing")
    write_mask(result.mask, volume, Path(values.output))
    send("result", output=str(values.output), **summarise(result, volume, model.bundle))


def probe(_: argparse.Namespace, send: Callable[..., None]) -> None:
    """Try every device with a tiny convolution and send what there is."""
    from .model import check_torch

    check_torch()
    import torch

    from . import device

    devices = []
    for candidate in [*device.gpus(), torch.device("cpu")]:
        reason = device.probe(candidate)
        is_cuda = candidate.type == "cuda"
        devices.append(
            {
                "id": str(candidate),
                "name": torch.cuda.get_device_name(candidate) if is_cuda else candidate.type.upper(),
                "memory_gb": round(torch.cuda.mem_get_info(candidate)[1] / 2**30, 1) if is_cuda else None,
                "usable": reason is None,
                "reason": reason or "",
            }
        )
    send("result", torch=torch.__version__, cuda=torch.version.cuda, devices=devices)


ACTIONS = {"segment": segment, "probe": probe}


def _claim_stdout() -> Callable[..., None]:
    """Keep standard output for the protocol; whatever else prints goes to standard error."""
    lines = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="ascii", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def send(event: str, **content: Any) -> None:
        lines.write(json.dumps({"event": event, **content}, ensure_ascii=True) + "\n")

    return send


def _send_error(send: Callable[..., None], kind: str, message: str) -> None:
    send("error", code=kind, message=message, hint=HINTS[kind], details=traceback.format_exc())


def _watch(values: argparse.Namespace) -> Callable[[], bool]:
    """Whether the parent wants the run to stop."""
    return lambda: (
        (values.watch_stdin and stdin_closed()) or (values.cancel_file is not None and values.cancel_file.exists())
    )


def stdin_closed() -> bool:
    """Whether the other end of standard input is closed; never waits.

    A thread that waits would do harm: Python cannot end while it holds the buffer's lock, and on Windows the pending
    read blocks the loading of some DLLs.
    """
    if sys.platform == "win32":
        import _winapi
        import msvcrt

        try:
            _winapi.PeekNamedPipe(msvcrt.get_osfhandle(0), 0)
        except OSError:
            return True
        return False
    ready, _, _ = select.select([0], [], [], 0)
    return bool(ready) and not os.read(0, 1024)


def _stop_if(cancelled: bool) -> None:
    if cancelled:
        raise Cancelled("the run was cancelled; nothing was written")


if __name__ == "__main__":
    keep_freed_memory()
    sys.exit(main())
