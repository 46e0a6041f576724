"""Runs a Python script as ``Slicer --python-script`` does, in a process of its own.

    python -m Testing.runtime.launcher --no-splash --no-main-window --python-script FILE [-- ARGUMENTS]

What Slicer's users run into is kept: flags that Slicer knows are swallowed when they stand before ``--``; an uncaught
exception does not end the program unless ``--testing`` is given; ``slicer.util.exit()`` ends it only when the script is
through. A program that would run forever ends here with the exit code :data:`HANGS`, one that Slicer would let pass
with errors in its log with :data:`ERRORS`.
"""

from __future__ import annotations

import runpy
import sys
import threading
import traceback
from dataclasses import dataclass, field
from pathlib import Path

HANGS = 99
ERRORS = 98

# Flags without a value that Slicer takes for itself.
_SWITCHES = {
    "--disable-cli-modules",
    "--disable-loadable-modules",
    "--disable-settings",
    "--exit-after-startup",
    "--ignore-slicerrc",
    "--no-main-window",
    "--no-splash",
    "--testing",
    "--verbose",
}
# Flags Slicer answers itself, without running anything.
_ANSWERED = ("--help", "--version")
# Rounds of the event loop, 10 ms each, in which nothing may happen before the program counts as hanging.
_PATIENCE = 50


@dataclass
class Options:
    """Slicer's command line."""

    switches: set[str] = field(default_factory=set)
    script: str = ""
    module_paths: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)  # what is left for the script


def parse(arguments: list[str]) -> Options:
    """Sort out which arguments are Slicer's and which are the script's."""
    options, rest = Options(), list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            options.arguments += rest
            break
        if argument in _SWITCHES:
            options.switches.add(argument)
        elif argument == "--python-script":
            options.script = rest.pop(0)
        elif argument in ("--additional-module-path", "--additional-module-paths"):
            while rest and not rest[0].startswith("-"):
                options.module_paths.append(rest.pop(0))
        else:
            options.arguments.append(argument)
    return options


def command(*arguments: str) -> list[str]:
    """The command line that runs the launcher with these arguments."""
    return [sys.executable, "-m", "Testing.runtime.launcher", *arguments]


def main(arguments: list[str]) -> int:
    """Run the script and the event loop after it; returns the exit code."""
    from . import boot
    from .standard_output import redirected

    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if any(flag in _ANSWERED for flag in own):
        print("launcher: Slicer answers this itself")
        return 0
    options = parse(arguments)
    runtime = boot(headless="--no-main-window" in options.switches)
    runtime.app.testing = "--testing" in options.switches
    with redirected():
        return _run(options, runtime)


def _run(options: Options, runtime: object) -> int:
    from . import load_module

    for folder in options.module_paths:
        for file in sorted(Path(folder).glob("*.py")):
            load_module(file, with_widget=False)
    runtime.app.emit_signal("startupCompleted()")
    _run_script(options, runtime)
    if "--exit-after-startup" in options.switches and runtime.app.exit_code is None:
        runtime.app.exit(0)
    code = _run_event_loop(runtime)
    return _verdict(code, runtime)


def _run_script(options: Options, runtime: object) -> None:
    sys.argv = [options.script, *options.arguments]
    try:
        runpy.run_path(options.script, run_name="__main__")
    except SystemExit as leaving:
        runtime.app.exit(leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None))
    except Exception:
        traceback.print_exc()
        if "--testing" in options.switches:
            runtime.app.exit(1)


def _run_event_loop(runtime: object) -> int:
    """Until somebody exits, or until nothing is left that could."""
    from .interpreter_lock import sleep_with_the_interpreter_held

    quiet_rounds = 0
    while runtime.app.exit_code is None and quiet_rounds < _PATIENCE:
        runtime.app.processEvents()
        sleep_with_the_interpreter_held(0.01)
        quiet_rounds = 0 if _is_busy() else quiet_rounds + 1
    if runtime.app.exit_code is None:
        print("launcher: Slicer would hang here: the script is through and nothing ends the program")
        return HANGS
    runtime.app.processEvents()
    return runtime.app.exit_code


def _is_busy() -> bool:
    from .leaks import active_timers, child_processes
    from .qt_module import single_shots

    threads = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
    return bool(single_shots or active_timers() or child_processes() or [t for t in threads if not t.daemon])


def _verdict(code: int, runtime: object) -> int:
    from .errors_caught import BLOCKED

    for item in runtime.errors.items:
        print(f"launcher: {item}", file=sys.stderr)
    if runtime.errors.of_kind(BLOCKED):
        return HANGS
    return ERRORS if code == 0 and runtime.errors.items else code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
