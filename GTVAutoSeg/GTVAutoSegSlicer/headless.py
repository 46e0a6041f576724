"""A batch without a window: the library's command line in a child process, and a log of what it said."""

from __future__ import annotations

import argparse
import contextlib
import re
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import slicer

from GTVAutoSegLib.errors import GTVAutoSegError, InputError
from GTVAutoSegLib.system.names import counted

from .models import find_bundle
from .run.child import Child
from .run.ended import Ended, was_killed
from .run.job import Job
from .run.python_slicer import child_environment, python_slicer

LOG = "gtv_batch.log"
WAIT_S = 0.1
# For a child that was killed from outside, and for what nobody foresaw.
FAILED = 4


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; expected -- --input DIR --output DIR --model ID, and options of 'batch'")


def run_batch(arguments: Sequence[str]) -> int:
    """Run ``gtvautoseg batch`` and return its exit code; nothing is asked, and no error gets out.

    What it says is printed, and kept in ``gtv_batch.log``: in the output folder, or in Slicer's temporary folder when
    there is none to write to.

    Args:
        arguments: ``--input``, ``--output``, ``--model``, and further options of ``gtvautoseg batch``.
    """
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        with contextlib.suppress(OSError, ValueError):  # a console that is closed, or has no such letters
            print(line, flush=True)

    output = None
    try:
        # On Windows "--" may arrive with the rest.
        values, options = _parse([one for one in arguments if one != "--"])
        output = None if "--dry-run" in options else values.output.absolute()
        bundle = find_bundle(values.model)
        paths = [str(values.input.absolute()), str(values.output.absolute())]
        code = _run([*paths, "--model", str(bundle.path), *options], say)
    except GTVAutoSegError as error:
        say(f"gtv_batch: {error}")
        code = error.exit_code
    except Exception as error:
        # Written down with where it happened: in the morning nobody can look at the window any more.
        lines.append(traceback.format_exc())
        say(f"gtv_batch: the batch failed unexpectedly ({type(error).__name__}: {error}); report it with {LOG}")
        code = FAILED
    finally:
        _write_log(output, lines)
    return code


def _parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = _Parser(prog="gtv_batch.py", add_help=False, allow_abbrev=False)
    parser.add_argument("--input", required=True, type=Path)
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--model", required=True)
    return parser.parse_known_args(arguments)


def _run(arguments: Sequence[str], say: Callable[[str], None]) -> int:
    ended: list[Ended] = []
    command = [python_slicer(), "-m", "GTVAutoSegLib", "batch", *arguments, "--watch-stdin"]
    child = Child(command, child_environment())
    try:
        job = Job(child, on_event=lambda event: say(str(event)), on_line=say, on_ended=ended.append)
        while not job.wait(WAIT_S):
            slicer.app.processEvents()
    finally:
        child.end()  # when something failed here it would go on alone
    if was_killed(ended[0]):
        say(
            "gtv_batch: the operating system ended the batch, most often because memory ran out, "
            f"{_how_far(ended[0].lines)}; finished cases are kept, so close other programs and go on with --resume"
        )
        return FAILED
    return ended[0].exit_code


def _how_far(lines: Sequence[str]) -> str:
    """What the last line about a case, such as ``[3/20] ct_3: ...``, says about the progress."""
    for line in reversed(lines):
        if found := re.match(r"\[(\d+)/(\d+)\] ", line):
            return f"after {found[1]} of {counted(int(found[2]), 'case')}"
    return "before the first case was done"


def _write_log(output: Path | None, lines: Sequence[str]) -> None:
    """Keep what was said; on Windows Slicer prints nothing."""
    text = "".join(f"{line}\n" for line in lines)
    for folder in filter(None, (output, Path(slicer.app.temporaryPath))):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / LOG).write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError:
            continue
        return
