"""DICOM in and out: series, their slices and pixels, structure sets and segmentations."""
