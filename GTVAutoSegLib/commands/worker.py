"""The child process Slicer starts: ``python -m GTVAutoSegLib.commands.worker serve``.

For one job it is ``segment``, ``complete``, ``collect``, ``export`` or ``probe`` instead of ``serve``. It answers on
standard output with one ASCII JSON object per line, ``{"event": "stage" | "progress" | "warning" | "result" | "error",
...}``, and ends with the exit codes of the command line. The parent cancels by creating the cancel file, which is
looked for between batches, or by closing the child's standard input.

``serve`` takes one request a line on standard input, ``{"id": ..., "arguments": ["segment", "--input", ...]}``. Every
answer to it carries its id, and the last one is ``{"event": "done", "exit_code": ...}``. The model stays loaded for
the next request. The process ends when nothing is asked of it for `IDLE_S`, or when its standard input closes.
"""

from __future__ import annotations

import argparse
import gc
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":
    # Ctrl+C ends the process without a word, also while the imports below still go on.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from ..cascade.completion.earlier import Earlier
from ..errors import Cancelled, GTVAutoSegError, InputError, explained
from ..system.allocator import give_back_freed_memory, keep_freed_memory
from ..system.settings import as_json
from ..system.streams import StandardInput
from .options import region_of
from .requests import claim_standard_output, parse_arguments, read_request, stop_asked

if TYPE_CHECKING:
    from ..cascade.cascade import Cascade

# A second click comes soon or not at all, and the memory may be wanted for something else.
IDLE_S = 300.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one job, or jobs until there are no more, and return the exit code."""
    worker = Worker(claim_standard_output())
    arguments = sys.argv[1:] if arguments is None else arguments
    return worker.serve() if list(arguments) == ["serve"] else worker.run(arguments)


class Worker:
    """Carries out requests one after the other and keeps the model of the last one.

    Args:
        write: sends one object to the parent.
    """

    def __init__(self, write: Callable[[dict[str, Any]], None]) -> None:
        self._write = write
        self._parent = StandardInput()
        self._cancelled: Callable[[], bool] = lambda: False
        self._label: dict[str, str] = {}
        self._model: Cascade | None = None
        self._model_key: tuple[Any, ...] = ()

    def serve(self) -> int:
        """Answer requests until none comes any more."""
        while (line := self._parent.next_line(IDLE_S)) is not None:
            self._label = {}
            try:
                name, arguments = read_request(line)
            except InputError as error:
                exit_code = self._fail(error)
            else:
                self._label = {"id": name}
                exit_code = self.run(arguments)
            self._send("done", exit_code=exit_code)
            _give_back_memory()
        return 0

    def run(self, arguments: Sequence[str]) -> int:
        """Do one job and return its exit code; whatever goes wrong is sent, wrong arguments too."""
        try:
            values = parse_arguments(arguments)
            self._cancelled = stop_asked(values, self._parent)
            actions = (self._segment, self._complete, self._collect, self._export, self._probe)
            {action.__name__[1:]: action for action in actions}[values.action](values)
        except Exception as error:
            return self._fail(explained(error, "report it with the details"))
        return 0

    def _segment(self, values: argparse.Namespace) -> None:
        """Segment ``--input``, write ``--output``, and send the result."""
        self._stage("loading")
        from ..cascade.result import summarise
        from ..images.read import read_volume
        from ..images.write import write_mask

        model = self._load(values)
        self._stage("reading")
        volume = read_volume(values.input)
        earlier = Earlier.read(values.into, values.mine, volume)
        self._stop_if_cancelled()
        result = model.segment(
            volume,
            progress=self._progress(),
            slices=values.slices,
            threshold=values.threshold,
            cancelled=self._cancelled,
            region=region_of(values.box),
            mask_threshold=values.mask_threshold,
        )
        if earlier is not None:
            result = earlier.with_run(result, volume, values.slices)
        self._warn(result.warnings)
        self._stage("writing")
        write_mask(result.mask, volume, values.output)
        if values.probability is not None and result.probability is not None:
            result.probability.write(values.probability, volume)
        self._send("result", output=str(values.output), **summarise(result, volume, model.bundle).to_json())

    def _complete(self, values: argparse.Namespace) -> None:
        """Complete what is drawn in ``--drawn``, write ``--output``, and send the result."""
        self._stage("loading")
        from ..cascade.completion.record import summarise_completion
        from ..cascade.completion.run import load_or_explain, run_completion
        from ..images.masks.single import read_single
        from ..images.read import read_volume
        from ..images.write import write_mask

        completer, without = load_or_explain(values.completer, values.device)
        model = None if values.model is None else self._load(values)
        self._stage("reading")
        volume = read_volume(values.input)
        mask = read_single(values.drawn, volume).mask
        result = run_completion(
            volume,
            mask,
            drawn=values.slices,
            first=values.first,
            last=values.last,
            completer=completer,
            without=without,
            model=model,
            progress=self._progress(),
            cancelled=self._cancelled,
        )
        self._warn(result.warnings)
        self._stage("writing")
        write_mask(result.mask, volume, values.output)
        self._send("result", output=str(values.output), **summarise_completion(result, volume).to_json())

    def _collect(self, values: argparse.Namespace) -> None:
        """Make a case of ``--input`` and ``--output``, which is the outline here, and send what became of it."""
        self._stage("collecting")
        from ..training.data.collected.request import collect_files

        record = collect_files(values.input, values.output, values.dataset, values.wish)
        self._send("result", **as_json(record))

    def _export(self, values: argparse.Namespace) -> None:
        """Carry out the order in ``--order``, and send what was written."""
        self._stop_if_cancelled()
        from ..report.export.carry_out import carry_out
        from ..report.export.order import Order

        order, voxels = Order.read(values.order)
        exported = carry_out(order, voxels, values.order, progress=self._progress(), cancelled=self._cancelled)
        self._send("result", **as_json(exported))

    def _stop_if_cancelled(self) -> None:
        if self._cancelled():
            raise Cancelled("the run was cancelled; nothing was written")

    def _stage(self, name: str) -> None:
        """Say what is done next, unless the parent wants this job to stop."""
        self._stop_if_cancelled()
        self._send("stage", stage=name)

    def _progress(self) -> Callable[[str, int, int], None]:
        """Sends each stage once, and how far it is where that can be counted."""
        stages = set()

        def progress(stage: str, done: int, total: int) -> None:
            if stage not in stages:
                stages.add(stage)
                self._send("stage", stage=stage)
            if total:
                self._send("progress", stage=stage, done=done, total=total)

        return progress

    def _warn(self, warnings: Sequence[str]) -> None:
        for warning in warnings:
            self._send("warning", message=warning)

    def _load(self, values: argparse.Namespace) -> Cascade:
        """The model asked for: the one at hand, unless it is another one or has changed on disk."""
        from ..cascade.load import load_model
        from ..model.bundle import read_bundle

        options = {"device": values.device, "precision": values.precision}
        bundle = read_bundle(values.model)
        key = (bundle.path, bundle.digest, *options.values())
        if self._model is None or key != self._model_key:
            self._model = None  # never two at a time
            self._model = load_model(bundle, **options)
            self._model_key = key
        return self._model

    def _probe(self, _: argparse.Namespace) -> None:
        """Try every device with a tiny convolution and send what there is."""
        from ..cascade.load import check_torch

        check_torch()
        import torch

        from ..cascade import device

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
        self._send("result", torch=torch.__version__, cuda=torch.version.cuda, devices=devices)

    def _send(self, event: str, **content: Any) -> None:
        self._write({"event": event, **self._label, **content})

    def _fail(self, error: GTVAutoSegError) -> int:
        self._send("error", code=error.kind, message=str(error), details=traceback.format_exc())
        return error.exit_code


def _give_back_memory() -> None:
    """What a run needed beside the model goes back to the system and to the GPU's other users."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    give_back_freed_memory()


if __name__ == "__main__":
    keep_freed_memory()
    sys.exit(main())
