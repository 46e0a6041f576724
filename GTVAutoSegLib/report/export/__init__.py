"""Segments of a scene on their way into a DICOM file: the order, the CT's slices, and what was written."""
