"""``make demo``: segment the shipped CTs in a box around the tumour, as a user would draw it, and show the result."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from contact_sheet import write_contact_sheet

from GTVAutoSegLib import load_model, read_volume
from GTVAutoSegLib.cascade.person import simulated_box
from GTVAutoSegLib.cascade.result import describe_segment, sentence, summarise
from GTVAutoSegLib.images.metrics import compare
from GTVAutoSegLib.images.write import write_mask
from GTVAutoSegLib.training.data.dataset import find_cases, read_label

SLACK_MM = 20.0  # of the box around the expert's contour
SAMPLES = Path(__file__).parent / "Data" / "sts-gtv"


def main(output: Path) -> None:
    """Write .seg.nrrd, .nii.gz and a picture for each sample to ``output``, and print how well it went."""
    started = time.perf_counter()
    output.mkdir(parents=True, exist_ok=True)
    model = load_model("sts-gtv")
    for case in find_cases(SAMPLES):
        volume = read_volume(case.image)
        reference = read_label(case, volume)
        result = model.segment(volume, region=simulated_box(reference, volume, SLACK_MM, case.name))
        agreement = compare(result.mask, reference, volume)
        for suffix in (".seg.nrrd", ".nii.gz"):
            write_mask(result.mask, volume, output / f"{case.name}{suffix}", describe_segment(model.bundle))
        title = f"{case.name}: model sts-gtv (red) and expert (green), DSC {agreement.dsc:.2f}"
        window = model.bundle.info.preprocessing.window
        write_contact_sheet(output / f"{case.name}.png", volume, result, window, title, reference)
        print(f"{case.name}  {sentence(summarise(result, volume, model.bundle))}")
        print(f"{'':<9}DSC {agreement.dsc:.3f} against the expert's contour, HD95 {agreement.hd95_mm:.1f} mm")
        print(f"{'':<9}{output / case.name}.seg.nrrd, .nii.gz, .png")
    print(f"{time.perf_counter() - started:.0f} s. A research demonstration, not for clinical use.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
