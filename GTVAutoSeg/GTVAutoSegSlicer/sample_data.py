"""The shipped cases, offered by Slicer's Sample Data module."""

from __future__ import annotations

import json
from pathlib import Path

from .resources import resource_path

CATEGORY = "GTVAutoSeg"


def register_sample_data() -> None:
    """Register every case of ``Resources/SampleData/cases.json``; the files are on this computer."""
    import SampleData

    listing = Path(resource_path("SampleData/cases.json"))
    for case in json.loads(listing.read_text(encoding="utf-8")):
        SampleData.SampleDataLogic.registerCustomSampleDataSource(
            category=CATEGORY,
            sampleName=case["name"],
            uris=sample_file(case["id"]).as_uri(),
            fileNames=f"{case['id']}.nii.gz",
            nodeNames=case["id"],
            checksums=f"SHA256:{case['sha256']}",
        )


def sample_file(case: str) -> Path:
    """A case's CT: in the resources when installed, among the test data in the source tree."""
    installed = Path(resource_path("SampleData")) / f"{case}.nii.gz"
    if installed.is_file():
        return installed
    return Path(resource_path("SampleData")).parents[1] / "Testing" / "Data" / "sts-gtv" / case / "data.nii.gz"
