"""``slicer.i18n``: texts pass through untranslated, with the check of placeholders that Slicer makes."""

from __future__ import annotations

import inspect
from pathlib import Path


def getContext(source_file: str) -> str:
    """The translation context of a source file: its name, with its package in front if it has one."""
    path = Path(source_file)
    in_package = (path.parent / "__init__.py").is_file()
    return f"{path.parent.name}.{path.stem}" if in_package else path.stem


def translate(context: str, text: str) -> str:
    from slicer import app

    return app.translate(context, text)


def tr(text: str) -> str:
    caller = inspect.currentframe().f_back
    return translate(getContext(caller.f_code.co_filename), text)
