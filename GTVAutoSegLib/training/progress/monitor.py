"""What a person sees while a network is trained: a line that lives, notes, and TensorBoard where it is installed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from .samples import contact_sheet

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


def never() -> bool:
    """The training is not to be stopped."""
    return False


class Monitor:
    """Told about everything, shows nothing.

    Args:
        cancelled: asked after every step; the training stops when it returns True.
    """

    def __init__(self, cancelled: Callable[[], bool] = never) -> None:
        self.cancelled = cancelled

    def step(self, epoch: int, done: int, total: int) -> None:
        """A step of an epoch was taken."""

    def epoch(self, record: dict[str, Any]) -> None:
        """An epoch was finished; the record is the log's."""

    def samples(self, images: Tensor, masks: Tensor) -> None:
        """What the network sees first: float (n, channels, N, N) in [0, 1] and bool (n, N, N), augmented."""

    def note(self, text: str) -> None:
        """Something the user should know."""

    def close(self) -> None:
        """The training has ended, or was stopped."""


class LiveMonitor(Monitor):
    """One line on standard error that is rewritten, and TensorBoard scalars and images where it is installed.

    Args:
        title: begins the line, such as "fold_1, classifier".
        figure: name of the validation figure.
        epochs: upper limit.
        folder: for TensorBoard's files.
        cancelled: as for `Monitor`.
    """

    def __init__(
        self, title: str, figure: str, epochs: int, folder: Path, cancelled: Callable[[], bool] = never
    ) -> None:
        super().__init__(cancelled)
        self.title, self.figure, self.epochs = title, figure, epochs
        self.board = make_board(folder)
        self.started = time.monotonic()
        self.first: float | None = None  # epochs that were done when this process began
        self.last = ""

    def step(self, epoch: int, done: int, total: int) -> None:
        """Rewrite the line."""
        if self.first is None:
            self.first = epoch + (done - 1) / total
        share = epoch + done / total - self.first
        left = (time.monotonic() - self.started) / share * (self.epochs - self.first - share)
        self._rewrite(
            f"{self.title}: epoch {epoch + 1}/{self.epochs}, step {done}/{total}{self.last}, "
            f"at most {clock(left)} left for this network"
        )

    def epoch(self, record: dict[str, Any]) -> None:
        """Update the line, or write a line of its own where standard error is not a terminal; feed TensorBoard."""
        self.last = (
            f", loss {record['loss']:.4f}, {self.figure} {record['validation']:.4f}, "
            f"best {record['best']:.4f} (epoch {record['best_epoch'] + 1})"
        )
        if not sys.stderr.isatty():
            more = self.epochs - record["epoch"] - 1
            left = f", at most {clock(record['seconds'] * more)} left for this network" if more else ""
            print(
                f"{self.title}: epoch {self.epochs - more}/{self.epochs}{self.last}{left}", file=sys.stderr, flush=True
            )
        if self.board is not None:
            for name in ("loss", "validation", "best", "learning_rate"):
                self.board.add_scalar(name, record[name], record["epoch"])
            self.board.flush()

    def samples(self, images: Tensor, masks: Tensor) -> None:
        """Show the first slices to TensorBoard."""
        if self.board is not None:
            self.board.add_image("augmented training slices", contact_sheet(images, masks), 0, dataformats="HWC")

    def note(self, text: str) -> None:
        """Write a line."""
        self._rewrite("")
        print(f"{self.title}: {text}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """End the line and TensorBoard's file."""
        if sys.stderr.isatty():
            print(file=sys.stderr)
        if self.board is not None:
            self.board.close()

    def _rewrite(self, text: str) -> None:
        if sys.stderr.isatty():
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def make_board(folder: Path) -> SummaryWriter | None:
    """TensorBoard's log in a folder; None where it is not installed: the run's own log says as much."""
    if find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))


def clock(seconds: float) -> str:
    """A duration for people: "1 h 05 min", "3 min 20 s"."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
