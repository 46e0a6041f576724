"""A child process that is asked for one thing after another, in JSON lines, and how much memory it took."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from ... import errors

ROOT = Path(__file__).parents[3]


def environment(threads: int) -> dict[str, str]:
    """Environment variables of a child whose networks use so many threads."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}


class Child:
    """A process running a module that calls `serve`; it ends with the ``with`` block.

    Args:
        module: to run.
        threads: of its networks.
    """

    def __init__(self, module: str, threads: int) -> None:
        self._module = module
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=environment(threads),
        )
        assert self._process.stdin is not None and self._process.stdout is not None  # noqa: S101 - both are pipes
        self._requests, self._answers = self._process.stdin, self._process.stdout

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._process.kill()
        for stream in (self._requests, self._answers):
            with contextlib.suppress(BrokenPipeError):
                stream.close()
        self._process.wait()

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Have the child do one of its actions and return the answer.

        Raises:
            GTVAutoSegError: what the action raised.
            RunError: the child ended.
        """
        try:
            self._requests.write(json.dumps({"do": do, **arguments}) + "\n")
            self._requests.flush()
            line = self._answers.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise errors.RunError(
                f"the measuring process ({self._module}) ended with code {self._process.wait()} while it was asked for "
                f"'{do}'; read what it said above, and close other programs if memory ran out"
            )
        answer = json.loads(line)
        if "error" in answer:
            raise getattr(errors, answer["kind"])(answer["error"])
        content: dict[str, Any] = answer
        return content


def serve(actions: Mapping[str, Callable[..., dict[str, Any]]]) -> None:
    """Answer what `Child.ask` asks until standard input closes; whatever else prints goes to standard error."""
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = actions[request.pop("do")](**request)
        except errors.GTVAutoSegError as error:
            answer = {"kind": type(error).__name__, "error": str(error)}
        channel.write(json.dumps(answer) + "\n")


def peak_memory_mb() -> float | None:
    """The most memory that this process held at once, MiB; None where the system does not say."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    if sys.platform == "win32":
        return None
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS counts in bytes


def run_timed(arguments: list[str], threads: int) -> tuple[float, float | None]:
    """Run ``python -m GTVAutoSegLib`` with these arguments as a process of its own.

    Returns:
        Wall time in seconds, and its peak memory in MiB.

    Raises:
        RunError: it failed.
    """
    started = time.perf_counter()
    command = [sys.executable, "-m", "GTVAutoSegLib", *arguments]
    process = subprocess.Popen(command, env=environment(threads), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None  # noqa: S101 - a pipe
    message = process.stderr.read()
    memory = None
    if hasattr(os, "wait4"):
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        memory = usage.ru_maxrss / (1024 if sys.platform == "linux" else 2**20)
    code = process.wait()
    process.stderr.close()
    seconds = time.perf_counter() - started
    if code != 0:
        raise errors.RunError(f"'gtvautoseg {arguments[0]}' ended with code {code}: {message.decode().strip()}")
    return seconds, memory
