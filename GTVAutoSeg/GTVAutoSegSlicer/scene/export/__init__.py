"""From segments to a DICOM structure set: which ones, on which slices, and the file."""
