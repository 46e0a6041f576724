"""``slicer.packaging``: answers from the real environment; records what it is asked to install and installs nothing."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer
from packaging.requirements import Requirement

# ("install" | "uninstall", requirements) of each call since the last reset.
calls: list[tuple[str, list[str]]] = []
# Names to report as missing although they are here.
missing: set[str] = set()
# What pip ends with.
return_code = 0


def reset() -> None:
    global return_code
    calls.clear()
    missing.clear()
    return_code = 0


def load_requirements(path: str | Path) -> list[Requirement]:
    """The requirements in a file, without comments and pip's options."""
    lines = (re.sub(r"(^|\s)#.*$", "", line).strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


def pip_check(requirements: Any) -> bool:
    """Whether every requirement is met by what is installed; imports nothing."""
    return all(_is_met(requirement) for requirement in _requirements(requirements))


def pip_ensure(
    requirements: Any,
    prompt_install: bool = True,
    requester: str | None = None,
    skip_in_testing: bool = True,
    **_options: Any,
) -> None:
    """Ask, then install what is missing.

    Raises:
        RuntimeError: The user declined.
        CalledProcessError: The installation failed (``return_code`` is not 0).
    """
    wanted = [str(requirement) for requirement in _requirements(requirements) if not _is_met(requirement)]
    if not wanted or (skip_in_testing and slicer.app.testingEnabled()):
        return
    question = f"{requester or 'A module'} needs to install: {', '.join(wanted)}"
    if prompt_install and not slicer.util.confirmOkCancelDisplay(question):
        raise RuntimeError("Installation was declined")
    pip_install(wanted)


def pip_install(
    requirements: Any,
    blocking: bool = True,
    logCallback: Callable[[str], None] | None = None,
    completedCallback: Callable[[int], None] | None = None,
    **_options: Any,
) -> None:
    """Record the request and end as ``return_code`` says."""
    texts = requirements.split() if isinstance(requirements, str) else [str(part) for part in requirements]
    calls.append(("install", texts))
    if not blocking:
        _complete_later(logCallback, completedCallback)
    elif return_code:
        raise subprocess.CalledProcessError(return_code, ["pip", "install", *texts])


def pip_uninstall(requirements: Any, **_options: Any) -> None:
    texts = requirements.split() if isinstance(requirements, str) else [str(part) for part in requirements]
    calls.append(("uninstall", texts))


def _complete_later(log: Callable[[str], None] | None, completed: Callable[[int], None] | None) -> None:
    import qt

    def end() -> None:
        if log is not None:
            log("pip ran" if return_code == 0 else "ERROR: pip failed")
        if completed is not None:
            completed(return_code)

    qt.QTimer.singleShot(0, end)


def isPipInstallInProgress() -> bool:
    return False


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
