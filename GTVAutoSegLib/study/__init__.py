"""For studies of the method: not part of the Slicer extension."""
