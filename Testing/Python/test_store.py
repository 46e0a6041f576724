from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from datasets import save, write_case, write_dataset

from GTVAutoSegLib.cascade.preprocess import body_box, network_input, stretch_mask
from GTVAutoSegLib.errors import DiskError, InputError
from GTVAutoSegLib.images.read import read_volume
from GTVAutoSegLib.system.settings import PreprocessSettings
from GTVAutoSegLib.training.data import slice_store as store
from GTVAutoSegLib.training.data.dataset import find_cases, read_label
from GTVAutoSegLib.training.data.slice_store import build_store
from GTVAutoSegLib.training.data.slices import SliceSet, StoredCase

SETTINGS = PreprocessSettings(window=(-160, 240), size=32, channels=3)


def contents(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*")}


def all_slices(stored: list[StoredCase]) -> tuple[torch.Tensor, torch.Tensor]:
    slices = SliceSet(tuple(stored))
    return slices.batch(np.arange(len(slices)))


def test_the_store_holds_what_preprocessing_makes(tmp_path):
    cases = find_cases(write_dataset(tmp_path / "data", 2))
    stored = build_store(cases, SETTINGS, tmp_path / "store")
    for case, entry in zip(cases, stored):
        volume = read_volume(case.image)
        label = volume.axial.of(read_label(case, volume))
        hu = volume.axial.of(volume.array)
        boxes = [body_box(plane, SETTINGS) for plane in hu]
        rows = np.arange(len(hu))
        expected = (network_input(hu, range(len(hu)), boxes, SETTINGS) * 255).round().byte().numpy()
        assert (entry.images(rows) == expected).all()
        assert (entry.masks(rows) == [stretch_mask(m, box, 32) for m, box in zip(label, boxes)]).all()
        assert entry.abnormal == tuple(label.any(axis=(1, 2)))
        assert (entry.spacing_mm, entry.extent_mm) == ((1, 1, 3), (44, 40, 18))
        low, high = entry.hu_percentiles
        assert -1030 < low < -970 and 40 < high < 160  # air around a body with a ball of 120 HU


def test_slices_of_many_cases_come_in_the_order_asked_for(tmp_path):
    stored = build_store(find_cases(write_dataset(tmp_path / "data", 3)), SETTINGS, tmp_path / "store")
    images, masks = all_slices(stored)
    assert len(images) == 18 and images.dtype == torch.uint8 and masks.dtype == torch.bool
    chosen = np.array([17, 0, 6, 6, 11, 5])
    some = SliceSet(tuple(stored)).batch(chosen)
    assert torch.equal(some[0], images[chosen]) and torch.equal(some[1], masks[chosen])
    assert (SliceSet(tuple(stored)).abnormal == masks.flatten(1).any(dim=1).numpy()).all()


def test_a_second_build_reads_no_image(tmp_path, monkeypatch):
    cases = find_cases(write_dataset(tmp_path / "data", 2))
    first = build_store(cases, SETTINGS, tmp_path / "store")
    before = contents(tmp_path / "store")
    monkeypatch.setattr(
        "GTVAutoSegLib.training.data.slice_store.read_volume", lambda path: pytest.fail(f"{path} was read")
    )
    monkeypatch.setattr(
        "GTVAutoSegLib.training.data.slice_store.sha256_of", lambda path: pytest.fail(f"{path} was hashed")
    )
    assert build_store(cases, SETTINGS, tmp_path / "store") == first
    after = contents(tmp_path / "store")
    assert {k: v for k, v in before.items() if "/" in k} == {k: v for k, v in after.items() if "/" in k}


def test_only_a_changed_case_is_built_again(tmp_path):
    data = write_dataset(tmp_path / "data", 2)
    old = build_store(find_cases(data), SETTINGS, tmp_path / "store")
    array = sitk.GetArrayFromImage(sitk.ReadImage(data / "patient1" / "label.nii.gz"))
    save(array[::-1], data / "patient1" / "label.nii.gz")
    new = build_store(find_cases(data), SETTINGS, tmp_path / "store")
    assert new[0] == old[0]
    assert new[1].folder != old[1].folder
    assert (new[1].masks(np.arange(6)) != old[1].masks(np.arange(6))).any()


def test_other_settings_get_slices_of_their_own(tmp_path):
    cases = find_cases(write_dataset(tmp_path / "data", 1))
    sizes = {}
    for size in (32, 48, 32):
        (entry,) = build_store(cases, PreprocessSettings(size=size), tmp_path / "store")
        sizes[size] = entry.images(np.arange(2)).shape
    assert sizes == {32: (2, 1, 32, 32), 48: (2, 1, 48, 48)}
    assert len([path for path in (tmp_path / "store").iterdir() if path.is_dir()]) == 2


def test_the_data_set_is_not_written_to(tmp_path):
    data = write_dataset(tmp_path / "data", 1)
    before = contents(data)
    build_store(find_cases(data), SETTINGS, tmp_path / "store")
    assert contents(data) == before


def test_a_scan_stored_sagittally_gives_the_same_slices(tmp_path):
    write_case(tmp_path / "data" / "axial", 0)
    for name in ("data", "label"):
        image = sitk.ReadImage(tmp_path / "data" / "axial" / f"{name}.nii.gz")
        (tmp_path / "other" / "sagittal").mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(sitk.PermuteAxes(image, (1, 2, 0)), tmp_path / "other" / "sagittal" / f"{name}.nii.gz")
    (axial,) = build_store(find_cases(tmp_path / "data"), SETTINGS, tmp_path / "store")
    (sagittal,) = build_store(find_cases(tmp_path / "other"), SETTINGS, tmp_path / "store")
    rows = np.arange(6)
    assert (axial.images(rows) == sagittal.images(rows)).all() and (axial.masks(rows) == sagittal.masks(rows)).all()
    assert axial.spacing_mm == sagittal.spacing_mm and axial.extent_mm == sagittal.extent_mm


def test_killed_half_way_it_is_finished_by_the_next_run(tmp_path):
    data = write_dataset(tmp_path / "data", 6, slices=60)
    code = (
        "import sys; from pathlib import Path; from GTVAutoSegLib.training.data.dataset import find_cases;"
        "from GTVAutoSegLib.system.settings import PreprocessSettings;"
        "from GTVAutoSegLib.training.data.slice_store import build_store;"
        "build_store(find_cases(Path(sys.argv[1])), PreprocessSettings(size=256), Path(sys.argv[2]))"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(data), str(tmp_path / "store")])
    while not list((tmp_path / "store").glob(".*.part")):
        assert child.poll() is None
        time.sleep(0.001)
    child.send_signal(signal.SIGKILL)
    child.wait()
    parts = list((tmp_path / "store").glob(".*.part"))
    assert parts
    for part in parts:
        os.utime(part, (0, 0))  # as if it had happened yesterday
    settings = PreprocessSettings(size=256)
    stored = build_store(find_cases(data), settings, tmp_path / "store")
    fresh = build_store(find_cases(data), settings, tmp_path / "fresh")
    for left, right in zip(all_slices(stored), all_slices(fresh)):
        assert torch.equal(left, right)
    assert not list((tmp_path / "store").glob(".*.part"))


def test_a_case_that_another_process_stored_meanwhile_is_taken(tmp_path, monkeypatch):
    data = write_dataset(tmp_path / "data", 1)
    (first,) = build_store(find_cases(data), SETTINGS, tmp_path / "elsewhere")
    describe = store._describe

    def overtaken(*arguments, **named):
        shutil.copytree(first.folder, tmp_path / "store" / first.folder.name)
        return describe(*arguments, **named)

    monkeypatch.setattr(store, "_describe", overtaken)
    (stored,) = build_store(find_cases(data), SETTINGS, tmp_path / "store")
    assert torch.equal(all_slices([stored])[0], all_slices([first])[0])
    assert not list((tmp_path / "store").glob(".*.part"))


def test_too_little_room_is_noticed_before_anything_is_built(tmp_path, monkeypatch):
    cases = find_cases(write_dataset(tmp_path / "data", 2))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 10**4, 10**4))
    with pytest.raises(DiskError, match=r"needs .* GB for 2 cases and the disk has 0\.0 GB free"):
        build_store(cases, SETTINGS, tmp_path / "store")
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["hashes.json"]


def test_a_disk_that_fills_up_is_one_sentence_and_leaves_nothing_half(tmp_path):
    cases = find_cases(write_dataset(tmp_path / "data", 1))
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, limits[1]))  # smaller than the images, larger than the rest
    try:
        with pytest.raises(DiskError, match="could not be written"):
            build_store(cases, SETTINGS, tmp_path / "store")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, previous)
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["hashes.json"]


@pytest.mark.parametrize("damaged", ["{", "[1]", '{"PATH": 1}', '{"PATH": [1, 2]}', '{"PATH": [SIZE, TIME]}'])
def test_a_damaged_note_of_the_files_hashes_only_costs_time(tmp_path, damaged):
    cases = find_cases(write_dataset(tmp_path / "data", 1))
    (first,) = build_store(cases, SETTINGS, tmp_path / "store")
    status = cases[0].image.stat()
    for word, value in (("PATH", cases[0].image.resolve()), ("SIZE", status.st_size), ("TIME", status.st_mtime_ns)):
        damaged = damaged.replace(word, str(value))
    (tmp_path / "store" / "hashes.json").write_text(damaged)
    (again,) = build_store(cases, SETTINGS, tmp_path / "store")
    assert again.folder == first.folder


def test_a_label_on_another_grid_is_named(tmp_path):
    folder = write_case(tmp_path / "data" / "shifted", 0)
    array = sitk.GetArrayFromImage(sitk.ReadImage(folder / "label.nii.gz"))
    save(array, folder / "label.nii.gz", spacing=(1.0, 1.0, 5.0))
    with pytest.raises(InputError, match=r"label.nii.gz lies on another grid than .*data.nii.gz"):
        build_store(find_cases(tmp_path / "data"), SETTINGS, tmp_path / "store")


def test_a_label_with_other_values_is_named(tmp_path):
    folder = write_case(tmp_path / "data" / "classes", 0)
    array = sitk.GetArrayFromImage(sitk.ReadImage(folder / "label.nii.gz"))
    save(array * 3, folder / "label.nii.gz")
    with pytest.raises(InputError, match=r"holds the values \[0, 3\]; expected only 0 and 1"):
        build_store(find_cases(tmp_path / "data"), SETTINGS, tmp_path / "store")


def test_an_empty_label_is_a_normal_patient(tmp_path):
    write_case(tmp_path / "data" / "normal", 0, tumour=False)
    (entry,) = build_store(find_cases(tmp_path / "data"), SETTINGS, tmp_path / "store")
    assert entry.abnormal == (False,) * 6
    assert not entry.masks(np.arange(6)).any()


def test_the_same_ct_under_two_names_is_refused(tmp_path):
    write_case(tmp_path / "data" / "one", 0)
    write_case(tmp_path / "data" / "two", 0)
    with pytest.raises(InputError, match="one and two hold the same CT"):
        build_store(find_cases(tmp_path / "data"), SETTINGS, tmp_path / "store")


def test_a_store_that_cannot_be_made_is_named(tmp_path):
    cases = find_cases(write_dataset(tmp_path / "data", 1))
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="store cannot be made"):
        build_store(cases, SETTINGS, tmp_path / "file" / "store")
