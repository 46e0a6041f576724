"""What the extension's package holds: every file of the library, the module and the resources."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def tracked(pattern: str) -> list[str]:
    """Tracked files; in a source archive, which has no history, all files."""
    if (ROOT / ".git").exists():
        done = subprocess.run(["git", "ls-files", pattern], cwd=ROOT, capture_output=True, text=True, check=True)
        return [name for name in done.stdout.splitlines() if (ROOT / name).exists()]
    return sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern.replace("/*", "/**/*")))


def cmake_list(file: str, name: str) -> list[str]:
    text = re.sub(r"#.*", "", (ROOT / file).read_text())
    found = re.search(rf"set\({name}\s([^)]*)\)", text)
    assert found, f"{file} has no list {name}"
    return found[1].split()


# Comparing systems and measuring time is for a research group's own Python.
LEFT_OUT = ("GTVAutoSegLib/study/", "GTVAutoSegLib/commands/study/")
LISTS = {
    "LIBRARY_SCRIPTS": ("GTVAutoSegLib/CMakeLists.txt", "GTVAutoSegLib/", "GTVAutoSegLib/*.py"),
    "MODULE_SCRIPTS": ("GTVAutoSeg/CMakeLists.txt", "GTVAutoSeg/", "GTVAutoSeg/*.py"),
    "MODULE_RESOURCES": ("GTVAutoSeg/CMakeLists.txt", "GTVAutoSeg/", "GTVAutoSeg/Resources/*"),
    "SHARED_RESOURCES": ("GTVAutoSeg/CMakeLists.txt", "", "Resources/*"),
}


@pytest.mark.parametrize("name", LISTS)
def test_every_tracked_file_is_listed_and_every_listed_file_exists(name):
    file, prefix, pattern = LISTS[name]
    listed = cmake_list(file, name)
    assert listed == sorted(listed)
    shipped = {path for path in tracked(pattern) if not path.startswith(LEFT_OUT)}
    assert not shipped - {prefix + entry for entry in listed}, f"add to {name} in {file}"
    assert not [entry for entry in listed if (prefix + entry).startswith(LEFT_OUT)], f"remove from {name} in {file}"
    assert not [entry for entry in listed if not (ROOT / prefix / entry).is_file()], f"remove from {name} in {file}"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with what the extension installs of the library."""
    folder = tmp_path_factory.mktemp("installed")
    for entry in cmake_list("GTVAutoSegLib/CMakeLists.txt", "LIBRARY_SCRIPTS"):
        path = folder / "GTVAutoSegLib" / entry
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(ROOT / "GTVAutoSegLib" / entry)
    return folder


def run_installed(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "GTVAutoSegLib", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_what_ships_imports_nothing_that_does_not(installed):
    """Imports within functions as well; what the package's other parts are is said by test_floors."""
    root = installed / "GTVAutoSegLib"
    missing = []
    for path in root.rglob("*.py"):
        package = path.relative_to(installed).parts[:-1]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom) or not node.level:
                continue
            base = Path(installed, *package[: len(package) - node.level + 1], *(node.module or "").split("."))
            found = [base, *(base / alias.name for alias in node.names)] if node.module else [base]
            if not any((one / "__init__.py").exists() or one.with_suffix(".py").exists() for one in found):
                missing.append(f"{path.relative_to(root)}, line {node.lineno}")
    assert missing == []


def test_the_installed_commands_start_and_those_of_the_study_say_that_they_are_not_there(installed):
    from GTVAutoSegLib.commands.cli import COMMANDS

    for name, (module, _) in COMMANDS.items():
        if module.startswith("study."):
            done = run_installed(installed, name, "x")
            assert done.returncode == 2 and done.stderr.count("\n") == 1
            assert "is not part of the Slicer extension; install the library with pip" in done.stderr
    assert run_installed(installed, "segment", "--help").returncode == 0


def test_every_sample_case_is_listed_and_described():
    cases = [case["id"] for case in json.loads((ROOT / "Resources/SampleData/cases.json").read_text())]
    folders = {Path(name).parent.name for name in tracked("Testing/Data/sts-gtv/*")}
    assert cmake_list("GTVAutoSeg/CMakeLists.txt", "SAMPLE_CASES") == cases == sorted(folders)
