"""The headers of a CT's DICOM files are read before an export needs them, and the window turns meanwhile."""

from __future__ import annotations

import pytest
from dicom_scenes import load_dicom
from slicer_samples import add_ct


@pytest.fixture
def read(monkeypatch, logic):
    """The files whose headers were read."""
    from GTVAutoSegSlicer.scene import headers_ahead

    seen, before = [], headers_ahead.read_header

    def read_header(path):
        seen.append(path)
        return before(path)

    monkeypatch.setattr(headers_ahead, "read_header", read_header)
    return seen


def test_they_are_read_once_a_ct_has_a_result(panel, until, scan, read):
    load_dicom(scan)
    assert read == []
    panel.ui.segmentButton.click()
    until(lambda: not panel.running)
    until(lambda: len(read) == 10)
    assert sorted(read) == sorted(scan.iterdir())
    panel._update()
    assert len(read) == 10


def test_a_turn_of_the_loop_reads_some_of_them_only(logic, scan, read, monkeypatch):
    from GTVAutoSegSlicer.scene import headers_ahead

    monkeypatch.setattr(headers_ahead, "TURN_S", 0)
    ahead = headers_ahead.HeadersAhead()
    ahead.follow(load_dicom(scan))
    assert not ahead.poll()
    assert len(read) == 0
    monkeypatch.setattr(headers_ahead, "TURN_S", 20)
    assert ahead.poll()
    assert len(read) == 10
    ahead.follow(add_ct())


def test_a_file_that_is_away_is_passed_over(logic, scan, read):
    from GTVAutoSegSlicer.scene.headers_ahead import HeadersAhead

    ct = load_dicom(scan)
    next(scan.iterdir()).unlink()
    ahead = HeadersAhead()
    ahead.follow(ct)
    while not ahead.poll():
        pass
    assert len(read) == 10
    ahead.follow(None)
