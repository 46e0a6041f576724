"""The report of a case: figures against hand-made shapes, pictures, and the page."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from phantoms import body_ct, phantom
from scipy.spatial.distance import pdist

from GTVAutoSegLib.images.placement import border_warnings
from GTVAutoSegLib.images.volume import Volume
from GTVAutoSegLib.report.case_record import CaseRecord
from GTVAutoSegLib.report.case_report import _overview_caption, report_page
from GTVAutoSegLib.report.framing import body_frame
from GTVAutoSegLib.report.measures import measure
from GTVAutoSegLib.report.pages import RESEARCH_ONLY
from GTVAutoSegLib.report.pictures import OUTLINE, PALETTE, draw, encode_png, key_pictures, thumbnail

WINDOW = (-160.0, 240.0)


def block(shape=(12, 40, 50)):
    """4 slices of 6 x 8 voxels, and one voxel apart from them."""
    mask = np.zeros(shape, np.uint8)
    mask[3:7, 10:16, 20:28] = 1
    mask[9, 30, 5] = 1
    return mask


def shuffled(volume, mask):
    """The same patient stored with other axes, one of them backwards: (x, z, y) with z from head to feet."""
    array, other = (np.ascontiguousarray(one.transpose(2, 0, 1)[:, ::-1]) for one in (volume.array, mask))
    x, y, z = volume.spacing
    # Columns: where the stored x, y and z axes point.
    direction = (0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
    return Volume(array, spacing=(y, z, x), direction=direction), other


def test_a_row_of_voxels_is_as_long_as_its_voxels():
    volume = phantom((12, 40, 50), spacing=(1.0, 2.0, 3.0))
    mask = np.zeros((12, 40, 50), np.uint8)
    mask[5, 10, 4:9] = 1
    found = measure(mask, volume)
    assert found.diameter_mm == found.axial_diameter_mm == 5.0
    mask[:] = 0
    mask[2:9, 10, 4] = 1
    assert measure(mask, volume).diameter_mm == 21.0
    assert measure(mask, volume).axial_diameter_mm == 2.0


def test_figures_of_a_block_are_those_of_the_block():
    volume = phantom((12, 40, 50), spacing=(1.0, 2.0, 3.0))
    found = measure(block(), volume)
    assert found.components == 2 and found.components_ml == (pytest.approx(4 * 6 * 8 * 0.006), 0.006)
    assert (found.border_mm, found.border_side) == (5.0, "right")
    assert found.slice_area_cm2 == {**{str(i): 0.96 for i in (3, 4, 5, 6)}, "9": 0.02}
    values = volume.array[block().astype(bool)].astype(float)
    assert found.hu.mean == pytest.approx(values.mean(), abs=0.05)
    assert found.hu.sd == pytest.approx(values.std(), abs=0.05)
    # Between face centres: at most one voxel shorter per axis than the block's diagonal.
    diagonal = np.hypot(8 * 1.0, 6 * 2.0)
    assert diagonal - 2 < found.axial_diameter_mm < diagonal


def test_a_ball_is_as_wide_as_it_is():
    z, y, x = np.ogrid[-12:13, -25:26, -25:26]
    ball = ((z * 2.0) ** 2 + y**2 + x**2 <= 20.0**2).astype(np.uint8)
    found = measure(ball, Volume(np.zeros(ball.shape, np.int16), (1.0, 1.0, 2.0)))
    # A voxel more than the ball: its faces, not their centres, are the ends.
    assert found.diameter_mm == pytest.approx(42, abs=0.5)
    assert found.axial_diameter_mm == pytest.approx(41, abs=0.5)


def farthest(mask, sides):
    """The largest distance between the centres of any faces of voxels, voxels of 1 x 2 x 3 mm."""
    faces = np.concatenate([np.argwhere(mask) + side for side in sides])
    return pdist(faces * (3.0, 2.0, 1.0)).max()


def test_diameters_are_those_between_all_faces():
    volume = phantom((5, 16, 17), spacing=(1.0, 2.0, 3.0))
    sides = np.array([(0, 0.5, 0), (0, -0.5, 0), (0, 0, 0.5), (0, 0, -0.5), (0.5, 0, 0), (-0.5, 0, 0)])
    for seed in range(20):
        mask = (np.random.default_rng(seed).random((5, 16, 17)) < 0.02 * (1 + seed)).astype(np.uint8)
        found = measure(mask, volume)
        assert found.diameter_mm == pytest.approx(farthest(mask, sides), abs=0.006)
        slices = [np.where(np.arange(5)[:, None, None] == index, mask, 0) for index in np.flatnonzero(mask.any((1, 2)))]
        assert found.axial_diameter_mm == pytest.approx(max(farthest(one, sides[:4]) for one in slices), abs=0.006)


def test_storage_order_changes_no_figure_but_the_slices_count_as_stored():
    volume = phantom((12, 40, 50), spacing=(1.0, 2.0, 3.0))
    expected, found = measure(block(), volume), measure(*reversed(shuffled(volume, block())))
    turned = {str(11 - int(index)): area for index, area in expected.slice_area_cm2.items()}
    slice_of_the_diameter = 11 - expected.axial_diameter_slice
    assert found == replace(expected, slice_area_cm2=turned, axial_diameter_slice=slice_of_the_diameter)


def test_a_tumour_at_the_end_of_the_scan_is_warned_of():
    mask, volume = block(), phantom((12, 40, 50))
    assert border_warnings(mask, volume) == []
    mask[11, 12, 22] = 1
    (text,) = border_warnings(mask, volume)
    assert "border of the scan towards the head" in text
    assert border_warnings(*reversed(shuffled(volume, mask))) == [text]
    assert measure(mask * 0, volume) is None and border_warnings(mask * 0, volume) == []


def test_the_outline_is_drawn_around_the_mask_in_the_proportions_of_the_patient():
    hu, mask = body_ct()[5], np.zeros((64, 72), bool)
    mask[20:40, 30:50] = True
    picture = draw(hu, mask, (2.0, 1.0), WINDOW, 144)
    assert picture.shape == (256, 144)
    red = picture == OUTLINE
    rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (79, 160, 59, 100)
    assert not red[90:150, 70:90].any() and len(np.unique(picture)) > 20


def test_the_png_reads_back(tmp_path):
    from matplotlib.image import imread

    picture = draw(body_ct()[5], np.zeros((64, 72), bool), (1.0, 1.0), WINDOW, 100)
    picture[3, 4] = OUTLINE
    shown = (imread(io.BytesIO(encode_png(picture))) * 255).round().astype(np.uint8)
    assert np.array_equal(shown[..., :3], np.frombuffer(PALETTE, np.uint8).reshape(256, 3)[picture])
    assert tuple(shown[3, 4, :3]) == (255, 60, 60)


def test_key_slices_run_through_the_tumour_and_captions_count_as_stored():
    volume = phantom((12, 40, 50))
    captions = [picture.caption for picture in key_pictures(block(), volume, WINDOW)]
    assert captions == ["axial, slice 3", "axial, slice 5", "axial, slice 7", "axial, slice 9", "coronal", "sagittal"]
    stored = key_pictures(*reversed(shuffled(volume, block())), WINDOW)
    assert [picture.caption for picture in stored][:4] == [f"axial, slice {index}" for index in (8, 6, 4, 2)]
    assert [one.png for one in stored] == [one.png for one in key_pictures(block(), volume, WINDOW)]
    assert thumbnail(*reversed(shuffled(volume, block())), WINDOW) == thumbnail(block(), volume, WINDOW)


def record(mask, volume, **changes):
    from GTVAutoSegLib.images.placement import extent_mm, tumour_slices, volume_ml

    found = {
        "case": "case_<1>",
        "roi": "GTVp",
        "finished": "2024-01-02T03:04:05+01:00",
        "check": False,
        "input": {"source": "a&b.nii.gz", "size": [50, 40, 12], "spacing_mm": [1.0, 1.0, 3.0]},
        "volume_ml": volume_ml(mask, volume),
        "tumour_slices": np.flatnonzero(tumour_slices(mask, volume)).tolist(),
        "extent_mm": extent_mm(mask, volume),
        "slice_probability": [None, 0.1, 0.2, *[0.9] * 9],
        "threshold": 0.5,
        "picked_slices": list(range(3, 12)),
        "reason": "" if mask.any() else "no slice reaches the threshold",
        "warnings": ["the scan is <odd>"],
        "model": {"id": "m", "version": "1.0.0", "digest": "0" * 64},
        "device": "cpu",
        "precision": "fp32",
        "timings": {"total": 1.5},
        "versions": {"gtvautoseg": "0", "torch": "2"},
    }
    return replace(CaseRecord.from_json({**found, "mask_sha256": "", **changes}), measures=measure(mask, volume))


class _Checked(HTMLParser):
    """Every tag closed, nothing loaded from elsewhere."""

    VOID = ("meta", "img", "rect", "path")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            assert name not in ("src", "href") or value.startswith("data:"), value
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in self.VOID

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("found", [True, False])
def test_the_page_needs_no_other_file_and_says_what_was_found(found):
    volume = phantom((12, 40, 50))
    mask = block() * found
    text = report_page(record(mask, volume), thumbnail(mask, volume, WINDOW), key_pictures(mask, volume, WINDOW))
    checker = _Checked()
    checker.feed(text)
    assert checker.open == [] and RESEARCH_ONLY in text
    assert "case_&lt;1&gt;" in text and "a&amp;b.nii.gz" in text and "the scan is &lt;odd&gt;" in text
    assert len(re.findall(r"data:image/png", text)) == 7
    assert ("No tumour found: no slice reaches the threshold." in text) is not found
    assert (f"{volume_of(mask):.2f} mL" in text) is found


@pytest.mark.parametrize(("count", "expected"), [(1, 1), (7, 2), (40, 3)])
def test_the_table_of_slices_has_its_head_over_every_column(count, expected):
    volume, mask = phantom((12, 40, 50)), block()
    found = record(mask, volume, picked_slices=list(range(count)), slice_probability=[0.25] * 100)
    columns = re.search(r'<div class="columns">(.*?)</div>', report_page(found, b"", ()))[1]
    tables = re.findall(r"<table>(.*?)</table>", columns)
    assert len(tables) == expected
    head = "<thead><tr><th>slice</th><th>probability</th><th>area, cm²</th></tr></thead>"
    assert all(table.startswith(head) for table in tables)
    shown = [int(index) for index in re.findall(r"<tr><td>(\d+)</td><td>0\.250</td>", columns)]
    assert shown == sorted({*range(count), *found.result.tumour_slices})
    lengths = [table.count("<td>") for table in tables]
    assert lengths[:-1] == lengths[:1] * (len(lengths) - 1) and lengths[-1] <= lengths[0]


def test_pictures_are_marked_with_the_patient_s_sides():
    from matplotlib.image import imread

    array = np.full((12, 40, 50), -1000, np.int16)
    array[6:, :20, :25] = 200  # towards the head, in front, on the right
    mask = np.zeros(array.shape, np.uint8)
    mask[6, 20, 25] = 1
    for volume, tumour in ((Volume(array, (1.0, 2.0, 3.0)), mask), shuffled(Volume(array, (1.0, 2.0, 3.0)), mask)):
        axial, coronal, sagittal = key_pictures(tumour, volume, WINDOW)
        assert (axial.marks, coronal.marks, sagittal.marks) == ("RLAP", "RLSI", "APSI")
        grey = imread(io.BytesIO(axial.png))[..., 0]
        assert brightest_quarter(grey) == ("left", "top")
    # The plane through the tumour is behind the bright block, and to its left: one voxel nearer shows it.
    near = np.zeros_like(mask)
    near[6, 19, 24] = 1
    for picture in key_pictures(near, Volume(array, (1.0, 2.0, 3.0)), WINDOW)[1:]:
        assert brightest_quarter(imread(io.BytesIO(picture.png))[..., 0]) == ("left", "top")


def brightest_quarter(grey):
    height, width = (side // 2 for side in grey.shape)
    quarters = {
        (side, end): grey[rows, columns].mean()
        for end, rows in (("top", slice(None, height)), ("bottom", slice(height, None)))
        for side, columns in (("left", slice(None, width)), ("right", slice(width, None)))
    }
    return max(quarters, key=lambda quarter: quarters[quarter])


def test_the_report_says_that_it_is_of_the_outline_before_any_correction():
    volume = phantom((12, 40, 50))
    text = report_page(record(block(), volume), b"", ())
    assert "not of one that was corrected since" in text and "checked by a qualified person" in text
    assert "mm (left-right, back-front, foot-head)" in text


def volume_of(mask):
    return mask.sum() * 3 / 1000


def test_the_overview_s_caption_names_the_slice_it_shows_also_when_several_are_alike():
    volume, mask = phantom((12, 40, 50)), block()
    mask[9:] = 0  # slices 3 to 6 have the same area
    rows, columns = body_frame(volume.array[[3]], mask[[3]] > 0, (1, 1))
    shown = draw(volume.array[3, rows, columns], mask[3, rows, columns] > 0, (1, 1), WINDOW, 256)
    assert thumbnail(mask, volume, WINDOW) == encode_png(shown)
    assert thumbnail(*reversed(shuffled(volume, mask)), WINDOW) == thumbnail(mask, volume, WINDOW)
    for ct, tumour, index in ((volume, mask, 3), (*shuffled(volume, mask), 8)):  # 8 of 12 from head to feet is 3
        assert _overview_caption(measure(tumour, ct)).startswith(f"slice {index}, ")
