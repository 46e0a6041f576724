"""``slicer.dicomDatabase``: an index of files a test has added, with the queries a module makes."""

from __future__ import annotations

from pathlib import Path


class DicomDatabase:
    """Knows files by their SOP instance and series UIDs."""

    isOpen = True

    def __init__(self) -> None:
        self._files: dict[str, tuple[str, str]] = {}  # SOP instance UID -> (file, series UID)

    def reset(self) -> None:
        self._files.clear()

    def add_folder(self, folder: str | Path) -> None:
        """Index every DICOM file in a folder; for tests."""
        import pydicom

        for path in sorted(Path(folder).iterdir()):
            header = pydicom.dcmread(path, stop_before_pixels=True)
            self._files[header.SOPInstanceUID] = (str(path), header.SeriesInstanceUID)

    def fileForInstance(self, uid: str) -> str:
        return self._files.get(uid, ("", ""))[0]

    def filesForSeries(self, series_uid: str) -> tuple[str, ...]:
        return tuple(path for path, series in self._files.values() if series == series_uid)

    def instancesForSeries(self, series_uid: str) -> tuple[str, ...]:
        return tuple(uid for uid, (_, series) in self._files.items() if series == series_uid)

    def instanceForFile(self, path: str) -> str:
        return next((uid for uid, (known, _) in self._files.items() if known == path), "")

    def instanceValue(self, uid: str, tag: str) -> str:
        return self.fileValue(self.fileForInstance(uid), tag)

    def fileValue(self, path: str, tag: str) -> str:
        """The text of a tag written as ``0008,0018``; empty when the file or the tag is missing."""
        if not path:
            return ""
        import pydicom

        group, element = (int(part, 16) for part in tag.split(","))
        found = pydicom.dcmread(path, stop_before_pixels=True).get((group, element))
        return "" if found is None else str(found.value)
