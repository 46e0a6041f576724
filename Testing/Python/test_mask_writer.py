import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk
from dicom_samples import patient_array, stack_positions, write_series
from vtk.util.numpy_support import vtk_to_numpy

from GTVAutoSegLib.errors import DiskError, InputError
from GTVAutoSegLib.images.masks.structure import mask_sha256
from GTVAutoSegLib.images.read import read_volume
from GTVAutoSegLib.images.segment_info import GTV_TERMINOLOGY, SegmentInfo
from GTVAutoSegLib.images.volume import Volume
from GTVAutoSegLib.images.write import FORMATS, check_outputs, mask_format, write_mask
from GTVAutoSegLib.system.tags import MASK_TAG, MODEL_TAG, NAME_TAG, RESULT_TAG, ROI_TAG

# DICOM results need a CT read from DICOM: test_rtstruct_writer.py, test_dicom_seg.py.
IMAGE_FORMATS = [suffix for suffix in FORMATS if not suffix.endswith(".dcm")]
OBLIQUE = (0.96, -0.28, 0.0, 0.28, 0.96, 0.0, 0.0, 0.0, 1.0)
LEFT_HANDED = (0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)
SHEARED = (1.0, 0.0, 0.0, 0.0, 1.0, 0.28, 0.0, 0.0, 0.96)
SEGMENT = SegmentInfo("GTVp é空", (0.25, 0.5, 0.75), GTV_TERMINOLOGY, {"GTVAutoSeg.Model": "sts-gtv"})


def ct(direction=OBLIQUE, source="") -> Volume:
    return Volume(patient_array(), (1.25, 1.5, 3.0), (-10.0, 20.0, 30.5), direction, source)


def tumour() -> np.ndarray:
    mask = np.zeros((5, 20, 24), np.uint8)
    mask[1:4, 5:9, 10:20] = 1
    mask[2, 6, 11] = 0
    return mask


@pytest.mark.parametrize("direction", [OBLIQUE, LEFT_HANDED])
@pytest.mark.parametrize("suffix", IMAGE_FORMATS)
def test_a_mask_comes_back_on_the_grid_of_its_volume(tmp_path, suffix, direction):
    path = tmp_path / "Ünï 空 x" / f"gtv{suffix}"
    path.parent.mkdir()
    write_mask(tumour(), ct(direction), path, SEGMENT)
    image = sitk.ReadImage(str(path))
    assert image.GetPixelID() == sitk.sitkUInt8
    again = read_volume(path)
    assert again.same_grid(ct(direction))
    np.testing.assert_array_equal(again.array, tumour())
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("suffix", [".NII.GZ", ".Nii", ".MHA", ".Nrrd", ".SEG.NRRD"])
def test_suffixes_may_be_spelt_in_any_case(tmp_path, suffix):
    write_mask(tumour(), ct(), tmp_path / f"gtv{suffix}")
    assert [path.name for path in tmp_path.iterdir()] == [f"gtv{suffix}"]
    np.testing.assert_array_equal(read_volume(tmp_path / f"gtv{suffix}").array, tumour())


def test_booleans_views_and_strings_are_written(tmp_path):
    write_mask(np.flip(tumour().astype(bool), 0), ct(), str(tmp_path / "gtv.nrrd"))
    np.testing.assert_array_equal(read_volume(tmp_path / "gtv.nrrd").array, tumour()[::-1])


@pytest.mark.parametrize("suffix", [".nrrd", ".seg.nrrd", ".mha"])
def test_a_sheared_grid_is_kept_where_the_format_can(tmp_path, suffix):
    write_mask(tumour(), ct(SHEARED), tmp_path / f"gtv{suffix}")
    again = read_volume(tmp_path / f"gtv{suffix}")
    assert again.sheared
    assert again.same_grid(ct(SHEARED))


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_refuses_a_sheared_grid_and_names_nrrd(tmp_path, suffix):
    for attempt in (check_outputs, lambda paths, volume: write_mask(tumour(), volume, paths[0])):
        with pytest.raises(InputError, match=r"right angles.*\.nrrd"):
            attempt([tmp_path / f"gtv{suffix}"], ct(SHEARED, "tilted"))
    assert not list(tmp_path.iterdir())


def test_a_mask_of_another_shape_or_with_other_values_is_a_mistake(tmp_path):
    with pytest.raises(ValueError, match="shape"):
        write_mask(tumour()[1:], ct(), tmp_path / "gtv.nrrd")
    with pytest.raises(ValueError, match="0 and 1"):
        write_mask(tumour() * 255, ct(), tmp_path / "gtv.nrrd")


def read_segmentation(path) -> slicer.vtkMRMLSegmentationNode:
    scene = slicer.vtkMRMLScene()
    scene.AddNode(node := slicer.vtkMRMLSegmentationNode())
    scene.AddNode(storage := slicer.vtkMRMLSegmentationStorageNode())
    storage.SetFileName(str(path))
    assert storage.ReadData(node) == 1
    node.scene_of_test = scene
    return node


def voxels_and_matrix(node) -> tuple[np.ndarray, np.ndarray]:
    """The segment as (z, y, x), within its stored extent, and its index to world (RAS) matrix."""
    segment = node.GetSegmentation().GetNthSegment(0)
    image = segment.GetRepresentation("Binary labelmap")
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    x, y, z = image.GetDimensions()
    array = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(z, y, x) if x * y * z else np.zeros((0, 0, 0))
    return array == segment.GetLabelValue(), np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])


@pytest.mark.parametrize("direction", [OBLIQUE, LEFT_HANDED, SHEARED])
def test_slicer_reads_name_colour_tags_geometry_and_voxels_of_a_segmentation(tmp_path, direction):
    volume, mask = ct(direction), tumour()
    write_mask(mask, volume, tmp_path / "gtv.seg.nrrd", SEGMENT)
    node = read_segmentation(tmp_path / "gtv.seg.nrrd")
    segmentation = node.GetSegmentation()
    assert segmentation.GetNumberOfSegments() == 1
    assert segmentation.GetSourceRepresentationName() == "Binary labelmap"
    segment = segmentation.GetNthSegment(0)
    assert segment.GetName() == SEGMENT.name
    assert segment.GetColor() == SEGMENT.color
    assert not segment.GetNameAutoGenerated()
    assert not segment.GetColorAutoGenerated()
    for tag, value in {slicer.vtkSegment.GetTerminologyEntryTagName(): GTV_TERMINOLOGY, **SEGMENT.tags}.items():
        text = vtk.reference("")
        assert segment.GetTag(tag, text)
        assert str(text) == value
    inside, matrix = voxels_and_matrix(node)
    places = np.argwhere(inside)[:, ::-1] + np.array(segment.GetRepresentation("Binary labelmap").GetExtent()[::2])
    found = places @ matrix[:3, :3].T + matrix[:3, 3]
    image = sitk.GetImageFromArray(mask)
    image.SetSpacing(volume.spacing)
    image.SetOrigin(volume.origin)
    image.SetDirection(volume.direction)
    lps = [image.TransformIndexToPhysicalPoint(index[::-1].tolist()) for index in np.argwhere(mask)]
    np.testing.assert_allclose(found, np.array(lps) * [-1, -1, 1], atol=1e-4)


def test_slicer_reads_an_empty_segment(tmp_path):
    write_mask(np.zeros_like(tumour()), ct(), tmp_path / "gtv.seg.nrrd", SEGMENT)
    node = read_segmentation(tmp_path / "gtv.seg.nrrd")
    assert node.GetSegmentation().GetNthSegment(0).GetName() == SEGMENT.name
    assert not voxels_and_matrix(node)[0].any()


@pytest.mark.parametrize(
    "wrong",
    [{"name": " "}, {"color": (1, 0, 2)}, {"color": (1, 0)}, {"name": "a|b"}, {"tags": {"a": "b|c"}}],
)
def test_what_a_segmentation_file_cannot_hold_is_a_mistake(wrong):
    with pytest.raises(ValueError, match=r"name|color|holds"):
        SegmentInfo(**wrong)


def test_the_longest_suffix_decides():
    assert mask_format(Path("a.seg.nrrd"))[0] == ".seg.nrrd"
    assert mask_format(Path("a.b.nrrd"))[0] == ".nrrd"


@pytest.mark.parametrize("name", ["gtv.png", "gtv", "gtv.nhdr", "gtv.mhd"])
def test_an_unknown_suffix_is_refused_with_the_known_ones(tmp_path, name):
    with pytest.raises(InputError, match=r"expected one of \.seg\.nrrd"):
        check_outputs([tmp_path / name], ct())


def test_outputs_are_checked_without_leaving_anything(tmp_path):
    check_outputs([tmp_path / f"gtv{suffix}" for suffix in IMAGE_FORMATS], ct())
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(InputError, match=r"folder .*none does not exist"):
        check_outputs([tmp_path / "none" / "gtv.nrrd"], ct())


def test_a_folder_in_place_of_a_file_is_named(tmp_path):
    (tmp_path / "gtv.nrrd").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        check_outputs([tmp_path / "gtv.nrrd"], ct())


def test_a_folder_that_cannot_be_written_is_named(unwritable):
    with pytest.raises(InputError, match="not writable"):
        write_mask(tumour(), ct(), unwritable / "gtv.nrrd")


def test_the_same_output_twice_is_refused(tmp_path):
    with pytest.raises(InputError, match="twice"):
        check_outputs([tmp_path / "gtv.nrrd", tmp_path / "." / "gtv.nrrd"], ct())


def test_the_input_is_never_replaced(tmp_path):
    path = tmp_path / "ct.nrrd"
    write_mask(tumour(), ct(), path)
    with pytest.raises(InputError, match="input itself"):
        write_mask(tumour(), read_volume(path), path)
    files = write_series(tmp_path / "dicom", patient_array(), stack_positions(5))
    link = tmp_path / "link.nrrd"
    link.symlink_to(files[2])
    with pytest.raises(InputError, match="input itself"):
        check_outputs([link], read_volume(tmp_path / "dicom"))


def test_an_earlier_result_is_replaced_only_by_a_whole_one(tmp_path, monkeypatch):
    path = tmp_path / "gtv.nii.gz"
    path.write_text("earlier result")
    real = sitk.WriteImage

    def cut_short(image, name, *args, **options):
        real(image, name, *args, **options)
        Path(name).write_bytes(Path(name).read_bytes()[:-40])

    monkeypatch.setattr(sitk, "WriteImage", cut_short)
    with pytest.raises(DiskError, match=r"gtv\.nii\.gz could not be written"):
        write_mask(tumour(), ct(), path)
    assert path.read_text() == "earlier result"
    assert list(tmp_path.iterdir()) == [path]
    monkeypatch.undo()
    write_mask(tumour(), ct(), path)
    np.testing.assert_array_equal(read_volume(path).array, tumour())


@pytest.mark.parametrize("suffix", IMAGE_FORMATS)
def test_what_lies_on_the_disk_is_compared_to_the_last_voxel(tmp_path, monkeypatch, suffix):
    real = sitk.WriteImage

    def one_voxel_off(image, name, *args, **options):
        image[0, 0, 4] = 1 - image[0, 0, 4]
        real(image, name, *args, **options)

    monkeypatch.setattr(sitk, "WriteImage", one_voxel_off)
    with pytest.raises(DiskError, match="the file read back differs from what was written"):
        write_mask(tumour(), ct(), tmp_path / f"gtv{suffix}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".nii.gz", ".seg.nrrd", ".mha"])
def test_a_compressed_result_without_its_checksum_is_not_kept(tmp_path, monkeypatch, suffix):
    real = sitk.WriteImage

    def cut_short(image, name, *args, **options):
        real(image, name, *args, **options)
        Path(name).write_bytes(Path(name).read_bytes()[:-2])

    monkeypatch.setattr(sitk, "WriteImage", cut_short)
    with pytest.raises(DiskError, match="differs"):
        write_mask(tumour(), ct(), tmp_path / f"gtv{suffix}")
    assert list(tmp_path.iterdir()) == []


FULL_DISK = """
import resource, sys
import numpy as np
from GTVAutoSegLib.errors import DiskError
from GTVAutoSegLib.images.write import write_mask
from GTVAutoSegLib.images.volume import Volume

shape = (20, 64, 64)
mask = np.random.default_rng(0).integers(0, 2, shape).astype(np.uint8)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    write_mask(mask, Volume(np.zeros(shape, np.int16)), sys.argv[1])
except DiskError as error:
    print(error)
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize("suffix", IMAGE_FORMATS)
def test_a_disk_that_fills_up_leaves_nothing_behind(tmp_path, suffix):
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / f"gtv{suffix}")]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    assert done.returncode == 4, done.stderr
    assert done.stdout.count("\n") == 1
    assert f"gtv{suffix} could not be written" in done.stdout
    assert not list(tmp_path.iterdir())


def test_a_result_of_a_model_is_written_as_slicers_module_leaves_one_and_another_segment_is_not(tmp_path):
    mask = tumour()
    write_mask(mask, ct(), tmp_path / "gtv.seg.nrrd", SegmentInfo("GTVp", tags={MODEL_TAG: "sts-gtv"}))
    write_mask(mask, ct(), tmp_path / "drawn.seg.nrrd", SegmentInfo("GTVn"))
    text = (tmp_path / "gtv.seg.nrrd").read_bytes().split(b"\n\n")[0].decode()
    for name, value in (
        (ROI_TAG, "GTVp"),
        (NAME_TAG, "GTVp"),
        (RESULT_TAG, "Segment_1"),
        (MASK_TAG, mask_sha256(mask)),
    ):
        assert f"{name}:{value}|" in text
    assert ROI_TAG not in (tmp_path / "drawn.seg.nrrd").read_bytes().split(b"\n\n")[0].decode()


def test_a_read_only_file_is_not_replaced(tmp_path):
    path = tmp_path / "gtv.nrrd"
    path.write_bytes(b"signed off")
    path.chmod(0o444)
    with pytest.raises(InputError, match="read-only"):
        write_mask(tumour(), ct(), path)
    assert path.read_bytes() == b"signed off"


def test_programs_import_write_mask_from_where_it_was_first():
    program = "from GTVAutoSegLib.mask_writer import write_mask; print(write_mask.__module__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "GTVAutoSegLib.images.write"
