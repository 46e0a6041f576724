"""DICOM in and out: series, structure sets, segmentations, and a clinic's export as a data set."""
