"""What Slicer's Extensions Index asks of an extension, as far as files can show it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The index refuses a clone of more than 100 MB.
LIMIT_MB = 92
# Slicer's Schemas/slicer-extension-catalog-entry-schema-v1.0.2.json: key -> type; no other key is allowed.
KEYS = {
    "$schema": str,
    "category": str,
    "scm_url": str,
    "scm_revision": str,
    "scm_type": str,
    "build_dependencies": list,
    "dicom_support_rule": str,
    "build_subdirectory": str,
    "enabled": bool,
    "tier": int,
}
REQUIRED = {"$schema", "category", "scm_url"}


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def packed_size() -> int:
    """Bytes that a clone of HEAD gets, in however many loose files its objects lie here."""
    command = ["git", "pack-objects", "--revs", "--stdout", "-q", "--delta-base-offset"]
    return len(subprocess.run(command, cwd=ROOT, input=b"HEAD\n", capture_output=True, check=True).stdout)


def cmake_value(name: str) -> str:
    # The index's check reads it like this: on one line.
    return re.search(rf'set\({name} "(.*)"\)', (ROOT / "CMakeLists.txt").read_text())[1]


def test_a_clone_stays_below_the_limit_of_the_index():
    if (ROOT / ".git").exists():
        history = packed_size()
        files = [ROOT / name for name in git("ls-files").splitlines()]
    else:  # a source archive
        history, files = 0, list(ROOT.rglob("*"))
    tree = sum(file.stat().st_size for file in files if file.is_file())
    assert (history + tree) / 1e6 < LIMIT_MB, f"history {history / 1e6:.0f} MB, files {tree / 1e6:.0f} MB"


def test_the_catalog_entry_fits_its_schema():
    text = (ROOT / "GTVAutoSeg.json").read_bytes()
    entry = json.loads(text)
    assert b"\r" not in text and text.endswith(b"\n")
    assert entry["$schema"].endswith("/slicer-extension-catalog-entry-schema-v1.0.2.json#")
    assert entry.keys() >= REQUIRED
    assert not [key for key, value in entry.items() if not isinstance(value, KEYS[key])]
    assert entry["tier"] in range(1, 6)


def test_the_shown_pictures_are_in_the_repository_and_the_icon_has_its_size():
    for name in ("EXTENSION_ICONURL", "EXTENSION_SCREENSHOTURLS"):
        for url in cmake_value(name).split():
            assert url.startswith("https://raw.githubusercontent.com/")
            assert (ROOT / url.rpartition("/main/")[2]).read_bytes().startswith(b"\x89PNG")
    header = (ROOT / "GTVAutoSeg.png").read_bytes()[16:24]
    assert (int.from_bytes(header[:4], "big"), int.from_bytes(header[4:], "big")) == (128, 128)


def test_licence_and_name_are_where_the_index_looks_for_them():
    assert (ROOT / "LICENSE.txt").read_text().lstrip().startswith("Apache License")
    entry = json.loads((ROOT / "GTVAutoSeg.json").read_text())
    assert entry["scm_url"].rpartition("/")[2].startswith("Slicer")
    assert not re.search(r"project\((\w+)\)", (ROOT / "CMakeLists.txt").read_text())[1].startswith("Slicer")


def test_the_self_test_runs_in_slicers_release_and_in_its_nightly():
    workflow = (ROOT / ".github" / "workflows" / "slicer.yml").read_text()
    assert "stability: [release, nightly]" in workflow and "schedule:" in workflow
    assert workflow.count("Testing/slicer_self_test.sh") == 2  # without PyTorch and with it


def test_no_text_of_the_extension_is_cut_off_and_its_page_leads_to_the_publication():
    cmake = (ROOT / "CMakeLists.txt").read_text()
    texts = re.findall(r'set\(EXTENSION_\w+ "(.*)"\)', cmake)
    assert len(texts) >= 8
    assert not [text for text in texts if ";" in text], "CMake takes a semicolon for the end of an entry of a list"
    assert "no known patents" in re.search(r'set\(EXTENSION_DESCRIPTION "(.*)"\)', cmake)[1]
    assert "https://doi.org/10.1016/j.compmedimag.2023.102323" in (ROOT / "README.md").read_text()


def test_the_catalog_entry_fits_the_project():
    entry = json.loads((ROOT / "GTVAutoSeg.json").read_text())
    cmake = (ROOT / "CMakeLists.txt").read_text()
    assert "project(GTVAutoSeg)" in cmake
    assert entry["category"] == re.search(r'set\(EXTENSION_CATEGORY "(.*)"\)', cmake)[1]
    assert entry["build_dependencies"] == re.search(r'set\(EXTENSION_DEPENDS "(.*)"\)', cmake)[1].split()
    assert entry["scm_url"] == re.search(r'set\(EXTENSION_HOMEPAGE "(.*)"\)', cmake)[1] + ".git"
