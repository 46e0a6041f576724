"""How values pass between Python and Qt under PythonQt: enums are integers, lists come back as tuples."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from typing import Any

from PySide6.support.signature import get_signature

from .qt_classes import CLASSES

_INTEGERS = ("int", "uint", "qlonglong", "qulonglong")
_FLOATS = ("double", "float")


def from_qt(value: Any) -> Any:
    """A value as PythonQt would hand it to Python: every list is a tuple."""
    if isinstance(value, (list, tuple)):
        return tuple(from_qt(item) for item in value)
    if isinstance(value, dict):
        return {key: from_qt(item) for key, item in value.items()}
    return value


def to_property(value: Any, type_name: str, is_enum: bool) -> Any:
    """A value as PythonQt converts it for a property of this C++ type.

    Raises:
        TypeError: No conversion; in particular text is never taken for a number.
        ValueError: The number has no such value.
    """
    if type_name == "QString":
        return str(value)
    if type_name == "bool":
        return bool(value)
    if type_name == "QStringList":
        return [str(item) for item in value]
    if type_name in _INTEGERS or (is_enum and not isinstance(value, enum.Enum)):
        return int(_not_text(value))
    if type_name in _FLOATS:
        return float(_not_text(value))
    return value


def coerced_arguments(function: Any, arguments: tuple) -> Iterator[list]:
    """The arguments converted for each overload that takes that many.

    Raises:
        ValueError: No overload takes that many.
    """
    fitting = [parameters for parameters in _overloads(function) if _takes(parameters, len(arguments))]
    if not fitting:
        raise ValueError("wrong number of arguments")
    for parameters in fitting:
        try:
            yield [_coerced(value, parameter.annotation) for value, parameter in zip(arguments, parameters)]
        except (TypeError, ValueError):
            continue


def make_enums_integers() -> None:
    """Let every Qt enum compare, combine and index as the integer it is in PythonQt."""
    for cls in CLASSES.values():
        for member in vars(cls).values():
            if isinstance(member, type) and issubclass(member, enum.Enum) and not issubclass(member, int):
                _make_integer(member)


def _not_text(value: Any) -> Any:
    if isinstance(value, (str, bytes)):
        raise TypeError("text is not a number")
    return value


def _overloads(function: Any) -> list[list]:
    signatures = get_signature(function)
    if not isinstance(signatures, (list, tuple)):
        signatures = [signatures]
    return [[p for p in s.parameters.values() if p.name != "self"] for s in signatures if s is not None]


def _takes(parameters: list, count: int) -> bool:
    required = sum(parameter.default is parameter.empty for parameter in parameters)
    return required <= count <= len(parameters)


def _coerced(value: Any, annotation: Any) -> Any:
    if annotation is str:
        return str(value)
    if annotation is bool:
        return bool(value)
    if annotation is int:
        return int(_not_text(value))
    if annotation is float:
        return float(_not_text(value))
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum) and not isinstance(value, annotation):
        return annotation(int(value))
    return value


def _make_integer(cls: type[enum.Enum]) -> None:
    def equals(self: enum.Enum, other: object) -> bool:
        if isinstance(other, int) and not isinstance(other, bool):
            return self.value == other
        return self is other or (type(self) is type(other) and self.value == other.value)

    cls.__int__ = cls.__index__ = lambda self: self.value
    cls.__eq__ = equals
    cls.__hash__ = lambda self: hash(self.value)
    if not issubclass(cls, enum.Flag):
        cls.__or__ = cls.__ror__ = lambda self, other: self.value | int(other)
        cls.__and__ = cls.__rand__ = lambda self, other: self.value & int(other)


def strings(values: Iterable[Any]) -> list[str]:
    """Names that Qt gives as byte arrays, as text."""
    return [bytes(value.data()).decode() for value in values]
