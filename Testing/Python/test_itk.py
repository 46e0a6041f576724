"""What SimpleITK needs of several threads."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import SimpleITK as sitk
from datasets import save

from GTVAutoSegLib.images.itk import quiet_itk, write_image
from GTVAutoSegLib.images.read import read_volume


def test_threads_take_turns_in_itk_s_readers(tmp_path, monkeypatch):
    hu = np.arange(-1000, 1000, dtype=np.int16).reshape(20, 10, 10)
    paths = [tmp_path / f"{number}.nii.gz" for number in range(4)]
    for path in paths:
        save(hu, path)
    together: list[bool] = []
    inside = threading.Lock()

    class Reader(sitk.ImageFileReader):
        def ReadImageInformation(self):
            alone = inside.acquire(blocking=False)
            together.append(not alone)
            time.sleep(0.02)
            super().ReadImageInformation()
            if alone:
                inside.release()

    monkeypatch.setattr(sitk, "ImageFileReader", Reader)
    with ThreadPoolExecutor(4) as pool:
        volumes = list(pool.map(read_volume, paths))
        list(pool.map(lambda path, volume: write_image(volume.array, volume, path), paths, volumes))
    assert len(together) == 8 and not any(together)


def test_itk_stays_quiet_until_the_last_thread_has_left():
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(True)
    try:
        first, second = quiet_itk(), quiet_itk()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert not sitk.ProcessObject.GetGlobalWarningDisplay()
        second.__exit__(None, None, None)
        assert sitk.ProcessObject.GetGlobalWarningDisplay()
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)
