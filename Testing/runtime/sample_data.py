"""The module ``SampleData``: records the sources and categories that are registered."""

from __future__ import annotations

from typing import Any

sources: list[dict[str, Any]] = []
categories: list[dict[str, Any]] = []


def reset() -> None:
    sources.clear()
    categories.clear()


class SampleDataLogic:
    """The registration functions of Slicer's SampleData module."""

    @staticmethod
    def registerCustomSampleDataSource(category: str = "Custom", **description: Any) -> None:
        sources.append({"category": category, **description})

    @staticmethod
    def registerCustomSampleDataCategory(category: str, **description: Any) -> None:
        categories.append({"category": category, **description})
