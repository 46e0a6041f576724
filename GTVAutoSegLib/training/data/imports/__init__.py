"""From a clinic's DICOM export to a data set."""
