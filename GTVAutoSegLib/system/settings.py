"""Settings: frozen dataclasses read from JSON, with errors that name the key and what is allowed."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from ..errors import InputError

T = TypeVar("T")

# A description may come from anywhere: beyond these a network input fits into no memory.
SMALLEST_SIZE, LARGEST_SIZE, MOST_CHANNELS = 32, 4096, 31


@dataclass(frozen=True)
class CropSettings:
    """How a network is trained and used that sees a box instead of whole slices.

    Attributes:
        margin_mm: by how much the box is widened in-plane for the network input.
        slack_mm: smallest and largest distance from the tumour's extent to each face of a box drawn for training.
        shown_mm: distance to the box's faces at which the input's two box channels reach 1.
    """

    margin_mm: float = 10.0
    slack_mm: tuple[float, float] = (5.0, 50.0)
    shown_mm: float = 50.0

    def __post_init__(self) -> None:
        """Raise ValueError when a value makes no sense."""
        if not 0 < self.slack_mm[0] <= self.slack_mm[1]:
            raise ValueError(f"slack_mm is {list(self.slack_mm)}, expected [smallest, largest] above 0")
        if self.margin_mm < 0 or self.shown_mm <= 0:
            raise ValueError(
                f"margin_mm is {self.margin_mm} and shown_mm {self.shown_mm}, expected at least 0 and above 0"
            )


@dataclass(frozen=True)
class PreprocessSettings:
    """How slices become network input; stored in every model bundle.

    Attributes:
        window: lowest and highest HU; mapped to 0 and 1, values outside are clipped.
        size: side N of the square network input, pixels.
        channels: slices per input, odd: the slice itself and its neighbours, all cropped to its box.
        neighbour_mm: how far apart those slices are at least; 0 takes the next ones.
        more_windows: the same slices in further windows, as further channels.
        crops: set where the network sees a box and not whole slices.
        margin: pixels added around the body on each side.
        max_components: how many separate parts of the body the box may span.
        min_component_fraction: parts smaller than this fraction of the largest are ignored (couch, tubes).
    """

    window: tuple[float, float] = (-160.0, 240.0)
    size: int = 512
    channels: int = 1
    margin: int = 12
    max_components: int = 3
    min_component_fraction: float = 0.05
    neighbour_mm: float = 0.0
    more_windows: tuple[tuple[float, float], ...] = ()
    crops: CropSettings | None = None

    def __post_init__(self) -> None:
        """Raise ValueError when a value makes no sense."""
        for window in self.windows:
            if not window[0] < window[1]:
                raise ValueError(f"window is {list(window)}, expected [low, high] with low < high")
        if not SMALLEST_SIZE <= self.size <= LARGEST_SIZE:
            raise ValueError(
                f"size is {self.size}, expected at least {SMALLEST_SIZE} pixels and at most {LARGEST_SIZE}"
            )
        if not 1 <= self.channels <= MOST_CHANNELS or self.channels % 2 == 0:
            raise ValueError(f"channels is {self.channels}, expected an odd number up to {MOST_CHANNELS}")
        if self.margin < 0 or self.max_components < 1:
            raise ValueError(
                f"margin is {self.margin} and max_components {self.max_components}, expected at least 0 and 1"
            )

    @property
    def windows(self) -> tuple[tuple[float, float], ...]:
        """All windows, the first one first."""
        return (self.window, *self.more_windows)

    @property
    def grey_channels(self) -> int:
        """Channels of a network input that hold grey values: the slices in every window."""
        return self.channels * len(self.windows)

    @property
    def input_channels(self) -> int:
        """Channels of a network input; a box adds its two."""
        return self.grey_channels + (2 if self.crops else 0)


@dataclass(frozen=True)
class PostprocessSettings:
    """What is done to the stacked mask; both are off in the paper.

    Attributes:
        fill_gaps: runs of up to so many rejected slices between two picked ones are segmented as well.
        keep_components: keep the largest so many connected parts in 3D; 0 keeps all.
    """

    fill_gaps: int = 0
    keep_components: int = 0


def check_threshold(threshold: float) -> None:
    """Raise InputError for a slice threshold that is no probability."""
    if not 0 <= threshold <= 1:
        raise InputError(f"threshold is {threshold}, expected a probability from 0 to 1")


def as_json(value: Any) -> Any:
    """A dataclass, or what its fields hold, as JSON-ready values; paths are texts, a NaN is None."""
    if is_dataclass(value):
        return {one.name: as_json(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return None if isinstance(value, float) and math.isnan(value) else value


def parse_settings(cls: type[T], data: Any, where: str, *, others: bool = False) -> T:
    """Build a dataclass from decoded JSON, checking keys and types all the way down.

    Args:
        cls: the dataclass; its fields may be numbers, strings, paths, bools, tuples, dicts, optionals and dataclasses.
        data: decoded JSON.
        where: the path so far, for messages: ``model.json: preprocessing``.
        others: whether unknown keys are left aside.

    Raises:
        ValueError: a key is missing or unknown, a value has the wrong type, or the dataclass refuses it.
    """
    if not isinstance(data, Mapping):
        raise ValueError(f"{where} is {_kind(data)}, expected an object")
    hints = get_type_hints(cls)
    known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    for key in data:
        if key not in known and not others:
            raise ValueError(f"{where} has the unknown key '{key}', expected some of: {', '.join(known)}")
    for name, f in known.items():
        if name not in data and f.default is MISSING and f.default_factory is MISSING:
            raise ValueError(f"{where} lacks the key '{name}'")
    values = {key: _convert(hints[key], data[key], f"{where}.{key}", others) for key in data if key in known}
    try:
        return cls(**values)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _convert(hint: Any, value: Any, where: str, others: bool) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _convert(next(a for a in arguments if a is not type(None)), value, where, others)
    if is_dataclass(hint):
        return parse_settings(hint, value, where, others=others)  # type: ignore[arg-type]
    if origin is tuple:
        return _convert_tuple(arguments, value, where, others)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ValueError(f"{where} is {_kind(value)}, expected an object")
        return {str(key): _convert(arguments[1], item, f"{where}.{key}", others) for key, item in value.items()}
    if hint is float and type(value) is int:
        return float(value)
    if hint is Path and type(value) is str:
        return Path(value)
    if type(value) is not hint:
        raise ValueError(f"{where} is {_kind(value)}, expected {_NAMES[hint]}")
    return value


def _convert_tuple(arguments: tuple[Any, ...], value: Any, where: str, others: bool) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"{where} is {_kind(value)}, expected a list")
    if arguments[-1] is Ellipsis:
        arguments = (arguments[0],) * len(value)
    if len(value) != len(arguments):
        raise ValueError(f"{where} has {len(value)} values, expected {len(arguments)}")
    pairs = enumerate(zip(arguments, value))
    return tuple(_convert(hint, item, f"{where}[{i}]", others) for i, (hint, item) in pairs)


_NAMES = {int: "a whole number", float: "a number", str: "a string", Path: "a string", bool: "true or false"}


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, (list, tuple)):
        return "a list"
    return repr(value)
