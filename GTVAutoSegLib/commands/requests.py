"""What the worker is asked, and the line it answers on; see `worker.py` for the protocol."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ..errors import InputError
from ..system.json_text import parse_json
from ..system.streams import StandardInput
from .options import add_device, add_model, slice_list, slice_range


def read_request(line: bytes) -> tuple[str, list[str]]:
    """Id and arguments of a request; raises InputError for a line that is none."""
    expected = 'expected one line of ASCII, {"id": "...", "arguments": ["segment", ...]}; send the next request'
    try:
        request = parse_json(line.decode("ascii"))
    except ValueError as error:  # a UnicodeDecodeError is one
        raise InputError(f"the request is no JSON ({error}), {expected}") from None
    name = request.get("id") if isinstance(request, dict) else None
    arguments = request.get("arguments") if isinstance(request, dict) else None
    if not isinstance(name, str) or not isinstance(arguments, list):
        raise InputError(f"the request has no id or no arguments, {expected}")
    if not all(isinstance(argument, str) for argument in arguments):
        raise InputError(f"an argument of request {name} is no text, {expected}")
    return name, arguments


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"the request cannot be understood ({message}); give the arguments of {self.prog}")


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the arguments of a job; raises InputError for wrong ones."""
    parser = _Parser(prog="python -m GTVAutoSegLib.commands.worker", add_help=False)
    actions = parser.add_subparsers(dest="action", required=True)
    names = ("segment", "complete", "collect", "export", "probe")
    segment, complete, collect, export, _ = (actions.add_parser(name, add_help=False) for name in names)
    for job in (segment, complete, collect):
        job.add_argument("--input", type=Path, required=True)
        job.add_argument("--output", type=Path, required=True)
    for job in actions.choices.values():
        job.add_argument("--cancel-file", type=Path)
        job.add_argument("--watch-stdin", action="store_true", help="cancel when standard input closes")
    add_model(segment)
    add_model(complete, required=False)
    add_device(segment)
    add_device(complete)
    segment.add_argument("--threshold", type=float)
    segment.add_argument("--slices", type=slice_range)
    segment.add_argument("--box", nargs="+")
    segment.add_argument("--mask-threshold", type=float)
    segment.add_argument("--probability", type=Path)
    segment.add_argument("--into", type=Path)
    segment.add_argument("--mine", type=slice_list)
    complete.add_argument("--drawn", required=True)
    complete.add_argument("--slices", type=slice_list)
    complete.add_argument("--first", type=int)
    complete.add_argument("--last", type=int)
    complete.add_argument("--completer", type=Path)
    export.add_argument("--order", type=Path, required=True)
    collect.add_argument("--dataset", type=Path, required=True)
    collect.add_argument("--wish", type=Path, required=True)
    return parser.parse_args(arguments)


def stop_asked(values: argparse.Namespace, parent: StandardInput) -> Callable[[], bool]:
    """Whether the parent wants the job to stop: it has made ``--cancel-file``, or with ``--watch-stdin`` has gone."""
    file = values.cancel_file
    return lambda: (values.watch_stdin and parent.closed()) or (file is not None and file.exists())


def claim_standard_output() -> Callable[[dict[str, Any]], None]:
    """Keep standard output for the protocol; whatever else prints goes to standard error."""
    lines = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="ascii", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return lambda content: print(json.dumps(content, ensure_ascii=True), file=lines)
