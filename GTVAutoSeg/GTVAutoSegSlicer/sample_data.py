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
        file = Path(resource_path(case["file"]))
        SampleData.SampleDataLogic.registerCustomSampleDataSource(
            category=CATEGORY,
            sampleName=case["name"],
            uris=file.as_uri(),
            fileNames=f"{case['name']}.nii.gz",
            nodeNames=case["name"],
            loadFileType="VolumeFile",
            checksums=f"SHA256:{case['sha256']}",
            sampleDescription=case["description"],
        )
