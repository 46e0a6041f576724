"""Options for a program that starts a command and follows it: one JSON object a line, and ways to stop it."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from ...errors import InputError, explained
from ...system.progress import Progress, Send, progress_bar, sending
from ...system.streams import StandardInput
from ..cli import ended_by_signals
from ..requests import claim_standard_output, stop_asked


def add_following_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    group = parser.add_argument_group("for a program that follows the run")
    group.add_argument(
        "--progress",
        choices=("json",),
        help="standard output is one JSON object a line: stage, progress, epoch, note, warning, result or error",
    )
    group.add_argument("--watch-stdin", action="store_true", help="stop when standard input closes")
    group.add_argument("--cancel-file", type=Path, metavar="FILE", help="stop as soon as this file exists")


@contextmanager
def followed(arguments: argparse.Namespace) -> Iterator[Send | None]:
    """What sends an event; None where nobody asked for events. An error that ends the block is sent as well.

    Args:
        arguments: with those of `add_following_options`.
    """
    if arguments.progress is None:
        yield None
        return
    write = claim_standard_output()

    def send(event: str, **content: Any) -> None:
        with suppress(OSError):  # nobody reads any more; whoever wants the run to stop closes its standard input
            write({"event": event, **content})

    try:
        yield send
    except BaseException as error:
        known = explained(error, "report it with the details")
        send("error", code=known.kind, message=str(known), details=traceback.format_exc())
        raise


def shown_progress(send: Send | None) -> AbstractContextManager[Progress | None]:
    """What takes how far a run is, and sends it or, where nobody asked for events, moves a bar over the cases."""
    return progress_bar("case") if send is None else nullcontext(sending(send))


def canceller(arguments: argparse.Namespace) -> Callable[[], bool]:
    """Whether the run is to be stopped, by the options of `add_following_options`.

    Raises:
        InputError: there are several processes, of which one would stop while the others wait for it.
    """
    if not arguments.watch_stdin and arguments.cancel_file is None:
        return lambda: False
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise InputError(
            "--watch-stdin or --cancel-file was given to several processes, which only end together; leave it out, and "
            "stop torchrun with a signal"
        )
    return stop_asked(arguments, StandardInput())


@contextmanager
def stopped_in_order(cancelled: Callable[[], bool]) -> Iterator[Callable[[], bool]]:
    """During the block a first signal that ends the process only asks it to stop; a second one ends it at once.

    Where several processes train together each signal ends them at once, as they only stop together.

    Args:
        cancelled: whether the run is to be stopped for another reason.

    Yields:
        Whether it is to be stopped.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        yield cancelled
        return
    asked: list[int] = []

    def ask(number: int, _: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        print("stopping after this step; once more to stop at once", file=sys.stderr, flush=True)

    with ended_by_signals(ask):
        yield lambda: bool(asked) or cancelled()
