"""What the extension's package holds: every file of the library, the module and the resources."""

from __future__ import annotations

import json
import re
import subprocess
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
    assert not set(tracked(pattern)) - {prefix + entry for entry in listed}, f"add to {name} in {file}"
    assert not [entry for entry in listed if not (ROOT / prefix / entry).is_file()], f"remove from {name} in {file}"


def test_every_sample_case_is_listed_and_described():
    cases = [case["id"] for case in json.loads((ROOT / "Resources/SampleData/cases.json").read_text())]
    folders = {Path(name).parent.name for name in tracked("Testing/Data/sts-gtv/*")}
    assert cmake_list("GTVAutoSeg/CMakeLists.txt", "SAMPLE_CASES") == cases == sorted(folders)


def test_the_catalog_entry_fits_the_project():
    entry = json.loads((ROOT / "GTVAutoSeg.json").read_text())
    cmake = (ROOT / "CMakeLists.txt").read_text()
    assert "project(GTVAutoSeg)" in cmake
    assert entry["category"] == re.search(r'set\(EXTENSION_CATEGORY "(.*)"\)', cmake)[1]
    assert entry["build_dependencies"] == re.search(r'set\(EXTENSION_DEPENDS "(.*)"\)', cmake)[1].split()
    assert entry["scm_url"] == re.search(r'set\(EXTENSION_HOMEPAGE "(.*)"\)', cmake)[1] + ".git"
    icon = re.search(r'set\(EXTENSION_ICONURL "(.*)"\)', cmake)[1]
    assert (ROOT / icon.rpartition("/main/")[2]).read_bytes().startswith(b"\x89PNG")
