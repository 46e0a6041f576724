"""The parts of the panel."""
