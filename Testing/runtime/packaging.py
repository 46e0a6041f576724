"""``slicer.packaging``: answers from the real environment; records what it is asked to install and installs nothing."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

# ("install" | "uninstall" | "ensure", requirements) of each call since the last reset.
calls: list[tuple[str, list[str]]] = []
# Names to report as missing although they are here.
missing: set[str] = set()


def reset() -> None:
    calls.clear()
    missing.clear()


def load_requirements(path: str | Path) -> list[Requirement]:
    """The requirements in a file, without comments and pip's options."""
    lines = (re.sub(r"(^|\s)#.*$", "", line).strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


def pip_check(requirements: Any) -> bool:
    """Whether every requirement is met by what is installed; imports nothing."""
    return all(_is_met(requirement) for requirement in _requirements(requirements))


def pip_ensure(requirements: Any, **_options: Any) -> None:
    """Install what is not there; here only recorded, as in Slicer's testing mode."""
    wanted = [requirement for requirement in _requirements(requirements) if not _is_met(requirement)]
    calls.append(("ensure", [str(requirement) for requirement in wanted]))


def pip_install(requirements: Any, **_options: Any) -> None:
    calls.append(("install", _texts(requirements)))


def pip_uninstall(requirements: Any, **_options: Any) -> None:
    calls.append(("uninstall", _texts(requirements)))


def isPipInstallInProgress() -> bool:
    return False


def _texts(requirements: Any) -> list[str]:
    parts = requirements.split() if isinstance(requirements, str) else requirements
    return [str(part) for part in parts]


def _requirements(requirements: Any) -> list[Requirement]:
    several = [requirements] if isinstance(requirements, (str, Requirement)) else requirements
    return [r if isinstance(r, Requirement) else Requirement(r) for r in several]


def _is_met(requirement: Requirement) -> bool:
    if requirement.marker is not None and not requirement.marker.evaluate():
        return True
    if requirement.name in missing:
        return False
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return requirement.specifier.contains(version, prereleases=True)
