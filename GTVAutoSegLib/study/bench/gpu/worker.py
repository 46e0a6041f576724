"""The worker that Slicer keeps: asked twice, cancelled, asked again; and a GPU that PyTorch has no kernels for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from ....images.write import write_image
from ..process import environment
from .place import CheckFailedError, Place

# Together they leave a CUDA program without any kernel, as a GPU does that is newer than its PyTorch.
WITHOUT_KERNELS = {"CUDA_FORCE_PTX_JIT": "1", "CUDA_DISABLE_PTX_JIT": "1"}
WORKER = [sys.executable, "-m", "GTVAutoSegLib.commands.worker"]


class Worker:
    """A child that answers requests until the ``with`` block ends."""

    def __enter__(self) -> Worker:
        """Start it."""
        threads = os.cpu_count() or 1
        self._process = subprocess.Popen(
            [*WORKER, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(threads)
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self._process.communicate()

    def ask(self, arguments: list[str], cancel: Path | None = None) -> tuple[int, list[dict[str, Any]]]:
        """The exit code and the events of a request; ``cancel`` is made at the first progress."""
        assert self._process.stdin is not None and self._process.stdout is not None  # noqa: S101 - both are pipes
        self._process.stdin.write(json.dumps({"id": "1", "arguments": arguments}) + "\n")
        self._process.stdin.flush()
        events: list[dict[str, Any]] = []
        for line in self._process.stdout:
            events.append(json.loads(line))
            if events[-1]["event"] == "done":
                return events[-1]["exit_code"], events
            if cancel is not None and events[-1]["event"] == "progress":
                cancel.touch()
        raise CheckFailedError(f"the worker ended with code {self._process.wait()}; expected an answer")


def check_worker(place: Place) -> str:
    """Two runs are alike and the second is no slower to begin; a cancelled one ends so, and the next one works."""
    ct, mask, cancel = (place.folder / name for name in ("ct.nrrd", "mask.nrrd", "cancel"))
    write_image(place.phantom.array, place.phantom, ct)
    words = ["segment", "--input", str(ct), "--output", str(mask), "--model", str(place.bundle)]
    words += ["--device", place.device, "--precision", "fp32"]
    seconds, hashes = [], []
    with Worker() as worker:
        for turn in ("first", "second", "cancelled", "after it"):
            started = time.perf_counter()
            stopped = turn == "cancelled"
            more = ["--cancel-file", str(cancel)] if stopped else []
            code, events = worker.ask([*words, *more], cancel if stopped else None)
            kinds = [event.get("code", "") for event in events if event["event"] == "error"]
            if kinds != (["cancelled"] if stopped else []) or (code == 0) == stopped:
                raise CheckFailedError(f"the {turn} run ended with code {code} and the errors {kinds}")
            if not stopped:
                seconds.append(time.perf_counter() - started)
                hashes += [event["mask_sha256"] for event in events if event["event"] == "result"]
    if len(hashes) != 3 or len(set(hashes)) != 1:
        raise CheckFailedError(f"three runs gave the masks {[one[:8] for one in hashes]}; expected one and the same")
    return f"first run {seconds[0]:.1f} s, second {seconds[1]:.1f} s, cancelled, after it {seconds[2]:.1f} s"


def check_missing_kernels(place: Place) -> str:
    """A GPU that is too new for this PyTorch is found out, with its reason, and "auto" takes the CPU."""
    variables = {**environment(os.cpu_count() or 1), **WITHOUT_KERNELS}
    code = f"from GTVAutoSegLib.cascade.device import *; print(probe(torch.device({place.device!r})))"
    code += "; print(resolve_device('auto'))"
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or len(lines) != 2 or lines[0] == "None" or lines[1] != "cpu":
        raise CheckFailedError(f"it said {lines or done.stderr[-200:]}; expected a reason, and cpu")
    return f"{lines[0]}; auto takes the CPU"
