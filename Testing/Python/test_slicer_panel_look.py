"""What a person sees of the panel: a first step, texts that fit, tooltips, keyboard, translation."""

from __future__ import annotations

import ast
import xml.etree.ElementTree as ElementTree

import pytest
from slicer_samples import ROOT, add_ct

from Testing.panel_pictures import LONG_NAME, compared_training, grab, problems

PACKAGE = ROOT / "GTVAutoSeg" / "GTVAutoSegSlicer"
UI_FILES = sorted((ROOT / "Resources" / "UI").glob("*.ui"))
# What a person can put the keyboard's focus on.
CONTROLS = {
    "QCheckBox",
    "QComboBox",
    "QDoubleSpinBox",
    "QLineEdit",
    "QListWidget",
    "QPlainTextEdit",
    "QPushButton",
    "QRadioButton",
    "QSlider",
    "QSpinBox",
    "QTableWidget",
    "QToolButton",
    "ctkCheckBox",
    "ctkCollapsibleButton",
    "ctkComboBox",
    "ctkDirectoryButton",
    "ctkDoubleRangeSlider",
    "ctkDoubleSlider",
    "ctkMenuButton",
    "ctkRangeWidget",
    "ctkSliderWidget",
    "qMRMLCheckableNodeComboBox",
    "qMRMLNodeComboBox",
    "qMRMLSegmentationShow3DButton",
}
TEXT_PROPERTIES = {"text", "toolTip", "plainText", "placeholderText", "title", "windowTitle"}


def controls(file):
    tree = ElementTree.parse(file).getroot()  # noqa: S314
    return tree, [widget for widget in tree.iter("widget") if widget.get("class") in CONTROLS]


def run(panel, until):
    panel.ui.segmentButton.click()
    assert panel.running
    until(lambda: not panel.running)


def test_the_panel_says_what_to_do_first(panel, monkeypatch):
    label = panel.ui.firstStepLabel
    assert label.text.startswith("Load a CT: from DICOM, from a file, or a GTVAutoSeg case")
    add_ct()
    assert label.text == "Click 'Segment GTV', then check the outline slice by slice and correct it."
    monkeypatch.setattr(type(panel.models), "selected", property(lambda self: None))
    panel._update()
    assert label.text == "Install a model first: open 'PyTorch and models' below and click 'Install...'."


def test_without_pytorch_it_is_the_first_step_and_afterwards_no_more(panel, until, monkeypatch):
    import json

    add_ct()
    missing = {"event": "error", "code": "torch-missing", "message": "torch is not installed", "details": ""}
    monkeypatch.setenv("FAKE_PROBE", json.dumps(missing))
    panel.ui.checkTorchButton.click()
    until(lambda: not panel.setup.has_torch)
    assert panel.ui.firstStepLabel.text.startswith("Install PyTorch first: open 'PyTorch and models' below")
    answer = {"event": "result", "torch": "2.13.0", "cuda": None, "devices": []}
    monkeypatch.setenv("FAKE_PROBE", json.dumps(answer))
    panel.ui.checkTorchButton.click()
    until(lambda: panel.setup.has_torch)
    assert panel.ui.firstStepLabel.text.startswith("Click 'Segment GTV'")


def test_a_first_step_is_shown_until_there_is_a_result(panel, until):
    add_ct()
    assert not panel.ui.firstStepLabel.isHidden()
    run(panel, until)
    assert panel.ui.firstStepLabel.isHidden()
    panel.ui.undoButton.click()
    assert not panel.ui.firstStepLabel.isHidden()


@pytest.mark.parametrize("state", ["no CT", "ready", "result", "failure", "all sections open"])
def test_every_text_fits_into_a_panel_of_300_pixels(panel, until, monkeypatch, tmp_path, state):
    import slicer

    if state != "no CT":
        add_ct(LONG_NAME)
    if state == "failure":
        monkeypatch.setenv("FAKE_WORKER", "fail:memory")
    if state in ("result", "failure"):
        run(panel, until)
    if state == "all sections open":
        compared_training(tmp_path)
        for section in ("learningSection", "setupSection", "logSection"):
            getattr(panel.ui, section).collapsed = False
    widget = slicer.modules.gtvautoseg.widgetRepresentation()
    grab(widget)
    assert list(problems(widget)) == []
    assert panel.ui.useModelButton.isVisibleTo(widget) == (state == "all sections open")


def test_sections_that_are_folded_and_figures_that_are_not_known_take_no_room(panel, until):
    import slicer

    assert panel.ui.thresholdLabel.isHidden()
    add_ct()
    run(panel, until)
    assert not panel.ui.thresholdLabel.isHidden()
    grab(slicer.modules.gtvautoseg.widgetRepresentation())
    folded, unfolded = panel.ui.learningSection, panel.ui.steeringSection
    assert folded.height < 40 < unfolded.height  # as in CTK: the header, and ten pixels


@pytest.mark.parametrize("file", UI_FILES, ids=lambda file: file.name)
def test_every_control_has_a_tooltip_and_its_place_in_the_keyboards_order(file):
    tree, found = controls(file)
    assert found
    silent = [widget.get("name") for widget in found if widget.find("property[@name='toolTip']") is None]
    assert silent == []
    order = [stop.text for stop in tree.iter("tabstop")]
    assert [widget.get("name") for widget in found if widget.get("name") not in order] == []


@pytest.mark.parametrize("file", UI_FILES, ids=lambda file: file.name)
def test_the_keyboard_goes_through_the_controls_as_the_eye_does(file):
    tree, found = controls(file)
    names = [widget.get("name") for widget in found]
    order = [stop.text for stop in tree.iter("tabstop") if stop.text in names]
    assert order == [name for name in names if name in order]


def test_every_text_that_is_shown_can_be_translated():
    bare = []
    for path in sorted([*(PACKAGE / "panel").rglob("*.py"), *(PACKAGE / "setup").rglob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Assign) and any(_is_text_property(target) for target in node.targets):
                bare += [f"{path.name}:{node.lineno}" for part in _shown(node.value) if _has_words(part)]
    assert bare == []


def _is_text_property(target: ast.expr) -> bool:
    return isinstance(target, ast.Attribute) and target.attr in TEXT_PROPERTIES


def _shown(value: ast.expr) -> list[ast.expr]:
    """The values an expression may have."""
    if isinstance(value, ast.IfExp):
        return [*_shown(value.body), *_shown(value.orelse)]
    if isinstance(value, ast.BoolOp):
        return [part for operand in value.values for part in _shown(operand)]
    if isinstance(value, ast.BinOp):
        return [*_shown(value.left), *_shown(value.right)]
    return [value]


def _has_words(value: ast.expr) -> bool:
    parts = value.values if isinstance(value, ast.JoinedStr) else [value]
    texts = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    return any(character.isalpha() for text in texts for character in text)
