"""What a run asks of a request, step by step, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from GTVAutoSegLib.images.masks.stored import Box
from GTVAutoSegLib.system.settings import parse_settings

from ..failures import Failure, not_valid
from ..scene.history import Undo
from ..scene.steering.change import Change
from .run_folder import RunFolder


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        request: what was asked for.
        report: what was found: a ResultRecord, of a completion a CompletionRecord, of an export an Exported; None when
            the run failed.
        failure: why there is none, or None.
        undo: brings the scene back; holds the segmentation node and the segment's id. None when nothing was found,
            and the scene is then as it was.
        change: what became of a segment that was changed in place; None for a result of its own.
        remarks: what else a person should know, one sentence each.
    """

    request: Any
    report: Any = None
    failure: Failure | None = None
    undo: Undo | None = None
    change: Change | None = None
    remarks: Sequence[str] = ()

    @property
    def segmentation(self) -> Any:
        """The segmentation node with the result, or None."""
        return self.undo.node if self.undo else None

    @property
    def segment_id(self) -> str:
        """Id of the segment with the result, or ""."""
        return self.undo.segment_id if self.undo else ""


R = TypeVar("R")


def report_of(cls: type[R], result: dict[str, Any]) -> R:
    """What the worker's "result" event says; further keys are left aside. Raises RunError when it says something else.

    Args:
        cls: the dataclass of the report.
        result: the event.
    """
    try:
        return parse_settings(cls, result, "the result", others=True)
    except ValueError as error:
        raise not_valid(str(error)) from error


@dataclass(frozen=True)
class Found:
    """What the worker found, read and checked.

    Attributes:
        record: what it reported.
        box: the outline on the CT.
        more: what the request needs beside it.
    """

    record: Any
    box: Box
    more: Any = None


class Work(Protocol):
    """What is done for one request, step by step; on Slicer's main thread unless it says otherwise."""

    # Whether what the worker reports stands, however late somebody cancels.
    is_final: bool

    @property
    def cancelled(self) -> str:
        """The sentence for somebody who has cancelled."""

    @property
    def gone(self) -> str:
        """The sentence when a node has left the scene."""

    def write(self, wanted: Callable[[], bool], /) -> None:
        """In a thread: write what the worker needs into the folder, as long as that is wanted."""

    def arguments(self) -> list[str]:
        """Arguments of the worker."""

    def reader(self, result: dict[str, Any], /) -> Callable[[Callable[[], bool]], Any]:
        """What reads in a thread what the worker found; it raises GTVAutoSegError when that cannot be believed."""

    def put(self, found: Any, /) -> Outcome:
        """Bring what was found into the scene."""

    def failure(self, failure: Failure, /) -> Failure:
        """The failure as a person shall see it."""

    def end(self) -> None:
        """Let go of everything."""


class Request(Protocol):
    """What `Run` needs to know about a request."""

    @property
    def nodes(self) -> tuple[Any, ...]:
        """The nodes without which the request makes no sense any more; None among them does not count."""

    @property
    def model_key(self) -> Any:
        """What the worker's loaded model depends on; None for what any worker can do."""

    def check(self) -> None:
        """Raise GTVAutoSegError when it cannot be carried out."""

    def work(self, folder: RunFolder, /) -> Work:
        """Take from the scene what it is about, and begin."""
