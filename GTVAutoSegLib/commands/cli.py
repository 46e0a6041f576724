"""The command line ``gtvautoseg``: finds the subcommand, and turns errors into one line and an exit code."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from itertools import takewhile
from types import FrameType
from typing import Any, NoReturn

from .. import __version__
from ..errors import GTVAutoSegError, InputError, broken_package, explained
from ..system.names import one_line
from ..system.streams import ready_streams, unbreakable_streams

# name: (module in commands/ with add_arguments and run, help). Modules are imported only when their command is given.
COMMANDS = {
    "segment": ("segment", "segment the gross tumour volume on one CT"),
    "complete": ("complete", "complete a tumour from a few slices that a person drew"),
    "batch": ("batch", "segment many CTs: a folder, DICOM studies, or a table"),
    "rtstruct": ("rtstruct", "write masks of any origin as an RTSTRUCT or DICOM SEG, or add them to one"),
    "approve": ("quality.approve", "put a qualified person's approval on an outline, until a voxel of it changes"),
    "audit": ("quality.audit", "check that the audit trail of a results folder was not altered"),
    "drift": ("quality.drift", "chart how much people edit by week and scanner, and say whether something changed"),
    "import": ("learning.import_", "make a data set from DICOM CT series and their structure sets"),
    "collect": ("learning.collect", "put a corrected CT and its outline into a data set to train on"),
    "train": ("learning.train", "train a cascade on a data set, or continue to"),
    "samples": ("learning.samples", "draw what the networks see during training"),
    "evaluate": ("learning.evaluate", "measure models, or masks of any origin, on a data set"),
    "compare": ("learning.compare", "compare a new model with the present one, case by case, on the same cases"),
    "commission": ("quality.commission", "test a model against a site's limits, as a page to file and sign"),
    "bench": ("study.bench", "measure time and memory on this machine, also beside other systems"),
    "reproduce": ("study.reproduce", "train and compare every system of the paper on a data set"),
    "export-nnunet": ("study.export_nnunet", "write a data set as nnU-Net v2 expects it, same folds"),
    "model": ("model", "list, show, verify, install, bring back, remove and export model bundles"),
}

EXIT_CODES = (
    "exit codes: 0 done; 1 some of several cases failed; 2 wrong usage or unsuitable input; 3 model or PyTorch "
    "missing or damaged; 4 the run failed; 130 cancelled"
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see '{self.prog} --help'\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's, but a mistyped option is said before one that is missing because of it."""
        if self._subparsers is None:
            for word in takewhile(lambda word: word != "--", args or ()):
                self._check_option(word.partition("=")[0])
        return super().parse_known_args(args, namespace)

    def _check_option(self, word: str) -> None:
        options = list(self._option_string_actions)
        # argparse accepts the beginning of an option, and takes a word with a space for a value.
        if not word.startswith("--") or " " in word or any(option.startswith(word) for option in options):
            return
        near = get_close_matches(word, options, 1)
        self.error(f"unknown option {word}{f', {near[0]} was meant perhaps' if near else ''}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; those of the process by default.

    Returns:
        The exit code, see ``gtvautoseg --help``.
    """
    ready_streams()
    with unbreakable_streams():
        return _main(sys.argv[1:] if arguments is None else list(arguments))


def _main(arguments: list[str]) -> int:
    parser = _Parser(prog="gtvautoseg", description="Gross tumour volume segmentation on CT.", epilog=EXIT_CODES)
    parser.add_argument("--version", action="version", version=f"gtvautoseg {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    chosen = None
    for name, (module, text) in COMMANDS.items():
        subparser = add_command(subparsers, name, text)
        if name in arguments[:1]:
            chosen = _import_command(name, module)
            chosen.add_arguments(subparser)
            subparser.add_argument("--debug", action="store_true", help="show a traceback when something fails")
    values = parser.parse_args(arguments)
    assert chosen is not None  # noqa: S101 - argparse requires a known command
    with ended_by_signals(signal.default_int_handler), _quiet_libraries(values.debug):
        return _run(chosen.run, values)


def add_command(commands: Any, name: str, text: str) -> argparse.ArgumentParser:
    """A command, or one of a command's own, with a sentence that says what it does."""
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    return parser


def _import_command(name: str, module: str) -> Any:
    """A command's module; Slicer's extension comes without those of study/."""
    try:
        return import_module(f".{module}", __package__)
    except ImportError as error:
        failure = broken_package(error)
        if error.name == f"{__package__}.study":
            failure = InputError(
                f"{name} compares systems and measures time, which is not part of the Slicer extension; install the "
                "library with pip, and run it there"
            )
        if failure is None:
            raise
        raise SystemExit(_fail(failure, debug=False)) from None


@contextmanager
def ended_by_signals(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """During the block this is called when the system, a closed terminal or Ctrl+C ends the process."""
    signals = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    # `nohup` has asked for it not to count.
    previous = {one: signal.getsignal(one) for one in signals if signal.getsignal(one) != signal.SIG_IGN}
    for one in previous:
        signal.signal(one, handler)
    try:
        yield
    finally:
        for one, before in previous.items():
            signal.signal(one, before)


@contextmanager
def _quiet_libraries(debug: bool) -> Iterator[None]:
    """Keep remarks of libraries away from a person, who cannot act on them; our own sentences say what matters."""
    with warnings.catch_warnings():
        if not debug:
            warnings.simplefilter("ignore")
            logging.getLogger("pydicom").setLevel(logging.CRITICAL)
        yield


def _run(run: Callable[[argparse.Namespace], int | None], values: argparse.Namespace) -> int:
    try:
        return run(values) or 0
    except (Exception, KeyboardInterrupt) as error:
        return _fail(explained(error, "run again with --debug and report it"), values.debug)


def _fail(error: GTVAutoSegError, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(f"gtvautoseg: {one_line(str(error))}", file=sys.stderr)
    return error.exit_code
