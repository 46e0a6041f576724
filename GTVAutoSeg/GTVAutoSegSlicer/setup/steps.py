"""Command lines run one after the other, with exactly one end whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from GTVAutoSegLib.errors import GTVAutoSegError

from ..run import python_slicer
from ..run.background import Ongoing
from ..run.child import Child
from ..run.ended import Ended
from ..run.job import Job


class Steps(Ongoing):
    """Command lines in child processes; a failed one is the last. `follow` starts the first.

    Args:
        commands: the command lines, at least one.
        on_line: called with each line they print.
        on_finished: called exactly once, with the last step's end: one that could not be started, and one that outlived
            its kill, end too.
    """

    def __init__(
        self,
        commands: Sequence[Sequence[str]],
        on_line: Callable[[str], None],
        on_finished: Callable[[Ended], None],
    ) -> None:
        self._commands = list(commands)
        self._on_line, self._on_finished = on_line, on_finished
        self._job: Job | None = None
        super().__init__()

    def follow(self) -> None:
        """Start, and let Qt's event loop carry the steps on."""
        super().follow()
        self._start_next()

    def poll(self) -> bool:
        """Carry the steps on without waiting; return whether the last has ended."""
        if self._job is not None and not self._finished:
            self._job.poll()
        return self._finished

    def abort(self) -> None:
        """End now."""
        self._commands.clear()
        if self._job is not None:
            self._job.kill()
        # A process the system does not let go of, as one waiting for a driver, must not hold the panel.
        self._finish(Ended(-1, result=None, error=None, cancelled=True, lines=()))

    def _start_next(self) -> None:
        try:
            command = self._commands.pop(0)
            self._job = Job(
                Child(command, python_slicer.child_environment()),
                on_line=self._on_line,
                on_ended=self._ended,
            )
        except Exception as error:
            self._finish(_not_started(error))

    def _ended(self, ended: Ended) -> None:
        if self._commands and ended.exit_code == 0 and not ended.cancelled:
            self._start_next()
        else:
            self._finish(ended)

    def _finish(self, ended: Ended) -> None:
        if self._is_first_end():
            self._on_finished(ended)


def _not_started(error: Exception) -> Ended:
    """The end of a step whose process there never was."""
    kind, exit_code = (error.kind, error.exit_code) if isinstance(error, GTVAutoSegError) else ("internal", 4)
    message = str(error) if isinstance(error, GTVAutoSegError) else f"{type(error).__name__}: {error}"
    return Ended(
        exit_code, result=None, error={"code": kind, "message": message}, cancelled=False, lines=(f"ERROR: {message}",)
    )
