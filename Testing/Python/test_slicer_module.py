"""The module as Slicer meets it: loading, headless, sample data, terms, its own self test, models."""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from bundles import make_bundle
from slicer_samples import MODULE, ROOT

import GTVAutoSegLib
from GTVAutoSegLib.model.bundle import read_bundle


def test_the_module_says_what_it_is(load_module):
    parent = load_module(MODULE, with_widget=False).parent
    assert parent.title == "GTV Auto Segmentation"
    assert parent.categories == ["Radiotherapy"]
    assert "Segmentations" in parent.dependencies
    assert not parent.icon.isNull()


def test_at_start_up_the_cases_are_registered_once_it_is_through(load_module, slicer_runtime, monkeypatch):
    import SampleData
    import slicer

    with monkeypatch.context() as patch:
        patch.setattr(slicer.util, "mainWindow", lambda: None)  # made after the modules
        load_module(MODULE, with_widget=False)
    assert SampleData.sources == []
    slicer_runtime.app.emit_signal("startupCompleted()")
    assert len(SampleData.sources) == 2


def test_in_a_slicer_that_is_too_old_the_panel_says_so_and_nothing_else(load_module, slicer_runtime, monkeypatch):
    import SampleData
    import slicer
    from PySide6 import QtWidgets

    from Testing.runtime.qt_methods import children_of

    monkeypatch.setattr(slicer.app, "minorVersion", 10)
    monkeypatch.setattr(slicer.app, "applicationVersion", "5.10.0")
    loaded = load_module(MODULE)
    shown = [child for child in children_of(loaded.panel) if issubclass(type(child), QtWidgets.QWidget)]
    assert [child.text for child in shown] == [
        "GTV Auto Segmentation needs Slicer 5.12 or newer, this is Slicer 5.10.0; install a newer one."
    ]
    loaded.widget.enter()
    loaded.widget.exit()
    assert SampleData.sources == []


@pytest.mark.parametrize(
    "file",
    [
        "GTVAutoSeg/GTVAutoSeg.py",
        "GTVAutoSeg/GTVAutoSegSlicer/__init__.py",
        "GTVAutoSeg/GTVAutoSegSlicer/logic.py",
        "GTVAutoSeg/GTVAutoSegSlicer/slicer_version.py",
        "GTVAutoSeg/GTVAutoSegSlicer/scripts/gtv_batch.py",
        "GTVAutoSegLib/__init__.py",
    ],
)
def test_what_says_that_slicer_is_too_old_is_read_by_its_python(file):
    """Python 3.9 in Slicer 5.8."""
    source = (ROOT / file).read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 9))
    assert "from __future__ import annotations" in source or not ast.parse(source).body[1:]


def test_the_shipped_cases_are_registered_with_their_checksums(load_module, slicer_runtime):
    import SampleData

    load_module(MODULE, with_widget=False)
    assert [source["sampleName"] for source in SampleData.sources] == ["GTVAutoSeg STS_036", "GTVAutoSeg STS_040"]
    for source in SampleData.sources:
        assert source["category"] == "GTVAutoSeg"
        file = Path(source["uris"].removeprefix("file://"))
        assert source["checksums"] == "SHA256:" + hashlib.sha256(file.read_bytes()).hexdigest()


def test_every_term_of_ours_is_found_in_its_context(load_module, slicer_runtime):
    import slicer

    load_module(MODULE, with_widget=False)
    from GTVAutoSegSlicer.scene.terminology import load_terminology

    name = load_terminology()
    logic = slicer.modules.terminologies.logic()
    context = json.loads((ROOT / "Resources" / "GTVAutoSeg.term.json").read_text())
    (category,) = context["SegmentationCodes"]["Category"]
    for term in category["Type"]:
        codes = [f"{c['CodingSchemeDesignator']}^{c['CodeValue']}^{c['CodeMeaning']}" for c in (category, term)]
        entry = slicer.vtkSlicerTerminologyEntry()
        assert logic.DeserializeTerminologyEntry("~".join([name, *codes, "^^", "", "^^", "^^"]), entry)
        assert logic.UpdateEntryFromLoadedTerminologies(entry, [], [])
        assert entry.GetTypeObject().GetSlicerLabel() == term["3dSlicerLabel"]
        assert list(entry.GetTypeObject().GetRecommendedDisplayRGBValue()) == term["recommendedDisplayRGBValue"]


@pytest.mark.parametrize("task", sorted(path.name for path in (ROOT / "Resources" / "Tasks").glob("*.json")))
def test_the_terms_of_every_task_are_ours(task):
    roi = json.loads((ROOT / "Resources" / "Tasks" / task).read_text())
    terminology = roi["terminology"] if "terminology" in roi else roi["roi"]["terminology"]
    ours = json.loads((ROOT / "Resources" / "GTVAutoSeg.term.json").read_text())
    (category,) = ours["SegmentationCodes"]["Category"]
    known = {f"{c['CodingSchemeDesignator']}^{c['CodeValue']}^{c['CodeMeaning']}" for c in category["Type"]}
    parts = terminology.split("~")
    assert parts[0] == ours["SegmentationCategoryTypeContextName"]
    assert parts[1] == "DCM^130041^RT Target"
    assert parts[2] in known


def test_the_self_test_passes(load_module, slicer_runtime, user):
    slicer_runtime.app.testing = True
    load_module(MODULE).module.runTest()


def test_without_a_window_nothing_waits_for_an_answer(user, tmp_path):
    """In a process of its own, booted without a main window."""
    script = tmp_path / "headless.py"
    script.write_text(
        textwrap.dedent(f"""
        import sys
        sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parent)!r}]
        from Testing.runtime import boot, load_module
        runtime = boot(headless=True)
        import slicer
        from slicer_samples import MODULE, add_ct
        widget = load_module(MODULE).widget
        widget.enter()
        panel = widget.panel
        ct = add_ct()
        ct.SetAndObserveTransformNodeID(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode").GetID())
        panel.ui.segmentButton.click()
        print("card:", panel.ui.failureTitle.text)
        panel.ui.installTorchButton.click()
        panel.ui.removeModelButton.click()
        print("shown:", runtime.dialogs.shown, "errors:", runtime.errors.items)
        widget.cleanup()
        """)
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert "card: The CT lies under a deformable transform" in done.stdout, done.stderr
    assert "shown: [] errors: []" in done.stdout


def test_a_model_is_installed_verified_and_removed_from_the_panel(panel, shelf, user, slicer_runtime, tmp_path):
    slicer_runtime.app.testing = False
    bundle = make_bundle(tmp_path / "new-model")
    archive = shutil.make_archive(str(tmp_path / "new-model"), "zip", bundle)
    panel.models_section.install(Path(archive))
    assert panel.ui.modelStatus.text == "Random cascade for tests 1.0.0 is installed."
    assert panel.models.selected == user / "new-model"
    panel.ui.verifyModelButton.click()
    assert panel.ui.modelStatus.text == "new-model: 2 weight files, whole and unchanged."
    panel.ui.removeModelButton.click()
    assert "was removed" in panel.ui.modelStatus.text
    assert list(user.iterdir()) == []
    assert panel.models.selected_id == "test-model"


def test_a_model_gives_way_to_another_of_its_id_only_after_a_question(panel, user, slicer_runtime, tmp_path):
    slicer_runtime.app.testing = False
    first, second = (make_bundle(tmp_path / folder / "mine", bias=bias) for folder, bias in (("a", 0.0), ("b", 1.0)))
    panel.models_section.install(first)
    before = read_bundle(user / "mine").digest
    slicer_runtime.dialogs.answers.append(False)
    panel.models_section.install(second)
    assert slicer_runtime.dialogs.texts("question") == [
        "'mine' is the model Random cascade for tests 1.0.0 now. Replace it?"
    ]
    assert read_bundle(user / "mine").digest == before
    panel.models_section.install(second)
    assert read_bundle(user / "mine").digest == read_bundle(second).digest != before


def test_what_is_wrong_with_a_model_is_said_below_the_buttons(panel, user, tmp_path):
    panel.models_section.install(tmp_path / "no.zip")
    assert "does not exist" in panel.ui.modelStatus.text
    bundle = make_bundle(tmp_path / "broken")
    (bundle / "segmenter.safetensors").write_bytes(b"")
    panel.models_section.install(bundle / "model.json")
    assert "the file is damaged or was changed" in panel.ui.modelStatus.text
    assert not user.exists()


def test_the_chosen_folder_is_where_models_go(panel, tmp_path):
    panel.ui.modelFolderButton.directory = str(tmp_path / "mine")
    panel.models_section.install(make_bundle(tmp_path / "other"))
    assert panel.models.selected == tmp_path / "mine" / "other"


def test_the_module_opens_though_a_model_folder_is_away(load_module, slicer_runtime, user, shelf, tmp_path):
    import slicer

    slicer_runtime.app.testing = True
    away = tmp_path / ("x" * 300)  # what cannot be read even by root
    slicer.app.settings().setValue("GTVAutoSeg/ModelFolder", str(away))
    widget = load_module(MODULE).widget
    widget.enter()
    assert widget.panel.models.selected == shelf / "test-model"
    (line,) = [line for line in widget.ui.modelDescription.text.splitlines() if "cannot be read" in line]
    assert line.startswith(f"The model folder {away} cannot be read (File name too long)")
    widget.ui.modelFolderButton.directory = str(tmp_path)
    assert "cannot be read" not in widget.ui.modelDescription.text


def test_a_panel_that_could_not_be_built_is_left_alone(load_module, slicer_runtime, user, monkeypatch):
    def fail(path):
        raise RuntimeError("no such file")

    import slicer

    with monkeypatch.context() as patch:
        patch.setattr(slicer.util, "loadUI", fail)
        with pytest.raises(RuntimeError, match="no such file"):
            load_module(MODULE)
    widget = slicer.modules.GTVAutoSegWidget
    widget.enter()
    widget.exit()
    widget.cleanup()


def test_the_panel_is_usable_at_360_pixels(panel):
    import slicer

    widget = slicer.modules.gtvautoseg.widgetRepresentation()
    assert widget.minimumSizeHint.width() <= 360


def test_the_library_is_found_beside_the_module_in_the_source_tree():
    assert Path(GTVAutoSegLib.__file__).parent == ROOT / "GTVAutoSegLib"
