"""The module ``SampleData``: records the sources and categories that are registered."""

from __future__ import annotations

from typing import Any

# What every Slicer since 5.0 takes; a module that gives more fails there at the start.
_PARAMETERS = {
    "sampleName",
    "uris",
    "fileNames",
    "nodeNames",
    "customDownloader",
    "thumbnailFileName",
    "loadFileType",
    "loadFiles",
    "loadFileProperties",
    "checksums",
}

sources: list[dict[str, Any]] = []
categories: list[dict[str, Any]] = []


def reset() -> None:
    sources.clear()
    categories.clear()


class SampleDataLogic:
    """The registration functions of Slicer's SampleData module."""

    @staticmethod
    def registerCustomSampleDataSource(category: str = "Custom", **description: Any) -> None:
        if not set(description) <= _PARAMETERS:
            raise TypeError(f"unexpected keyword arguments {sorted(set(description) - _PARAMETERS)}")
        sources.append({"category": category, **description})

    @staticmethod
    def registerCustomSampleDataCategory(category: str, **description: Any) -> None:
        categories.append({"category": category, **description})
